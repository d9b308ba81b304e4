import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'
import type { State } from './copy.js'

/** What is published on the diagnostics channel `larder:cache`. */
export type CacheEvent =
  | { type: 'read'; cache: string; state: State | 'error'; layer: 'memory' | 'store' }
  | { type: 'load'; cache: string; milliseconds: number; failed: boolean }
  | { type: 'evict'; cache: string }
  | { type: 'invalidate'; cache: string; what: 'delete' | 'expire' | 'pattern' | 'clear' | 'set' | 'write-through' }

/** With no subscriber, publishing costs one property check. */
export const cacheChannel: Channel = larderChannel('cache')

/** Tells how one call was answered. */
export function publish(event: CacheEvent): void {
  if (cacheChannel.hasSubscribers) cacheChannel.publish(event)
}
