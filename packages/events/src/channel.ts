import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/** What kind of thing carries an event. */
export type Carrier = 'topic' | 'stream'

/**
 * Why something may be missing: the connection was lost; the subscriber was too slow for its buffer; the stream was trimmed beyond
 * where it was read.
 */
export type GapReason = 'connection' | 'slow' | 'trimmed'

/** What is published on the diagnostics channel `larder:events`. `app`: the application (its `fastify.server`); `events`: the registration; `name`: of the topic or stream. Times in ms. */
export type EventsEvent = { app: object; events: string; carrier: Carrier; name: string } & (
  | { type: 'sent' }
  | { type: 'failed' }
  | { type: 'gap'; reason: GapReason }
  | { type: 'invalid'; reason: string }
  | { type: 'handled'; group: string; attempt: number; took: number }
  | { type: 'retried'; group: string; attempt: number; took: number }
  | { type: 'buried'; group: string; attempt: number }
)

/** With no subscriber, publishing costs one property check. */
export const eventsChannel: Channel = larderChannel('events')
