import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'
import type { State } from './copy.js'

/** What is published on the diagnostics channel `larder:cache`. */
export type CacheEvent = {
  cache: string
  /** The application: its `fastify.server`. */
  app: object
} & (
  | { type: 'read'; state: State | 'error'; layer: 'memory' | 'store' }
  | { type: 'load'; milliseconds: number; failed: boolean }
  | { type: 'evict' }
  /** A value was put into the store: its bytes as they are kept. */
  | { type: 'store'; bytes: number }
  | { type: 'invalidate'; what: 'delete' | 'expire' | 'pattern' | 'clear' | 'set' | 'write-through' }
)

/** With no subscriber, publishing costs one property check. */
export const cacheChannel: Channel = larderChannel('cache')

/** Tells how one call was answered. */
export function publish(event: CacheEvent): void {
  if (cacheChannel.hasSubscribers) cacheChannel.publish(event)
}
