import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/**
 * What is published on the diagnostics channel `larder:write-behind`. `app`: the application, its `fastify.server`; `writeBehind`:
 * the registration; `name`: the counter or queue; `entries`: how many; times in ms.
 */
export type WriteBehindEvent = { app: object; writeBehind: string; name: string; shard: number } & (
  | { type: 'stored'; entries: number }
  | { type: 'kept'; entries: number }
  | { type: 'refused'; entries: number; reason: 'full' | 'unavailable' }
  | { type: 'flushed'; id: string; entries: number; attempt: number; took: number }
  | { type: 'failed'; id: string; entries: number; attempt: number; took: number; retryIn: number; error: unknown }
  | { type: 'dead'; id: string; entries: number; attempt: number; took: number; error: unknown }
  | { type: 'lost'; entries: number }
)

/** What an event says besides where it happened. */
export type WriteBehindNews = WriteBehindEvent extends infer Event
  ? Event extends WriteBehindEvent
    ? Omit<Event, 'app' | 'writeBehind' | 'name' | 'shard'>
    : never
  : never

/** With no subscriber, publishing costs one property check. */
export const writeBehindChannel: Channel = larderChannel('write-behind')
