import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/** How a request was answered. `bypass`: the cache was not asked; `error`: `only-if-cached`, and nothing was there. */
export type ResponseResult = 'hit' | 'stale' | 'miss' | 'revalidated' | 'collapsed' | 'bypass' | 'error'

/**
 * What is published on the diagnostics channel `larder:responses`. `request`: one was answered; `refresh`: the handler ran in the
 * background, for a page that was served stale. `route`: its pattern, never a URL; `milliseconds`: from the lookup to the answer.
 */
export type ResponseEvent = {
  /** The registration; its entries are in the cache of this name. */
  cache: string
  /** The application: its `fastify.server`. */
  app: object
} & (
  | { type: 'request'; route: string; milliseconds: number; result: ResponseResult }
  | { type: 'refresh'; route: string; milliseconds: number }
  | { type: 'purge'; what: 'url' | 'tags' | 'unsafe' | 'all' }
)

/** With no subscriber, publishing costs one property check. */
export const responseChannel: Channel = larderChannel('responses')

/** Tells what happened. */
export function publish(event: ResponseEvent): void {
  if (responseChannel.hasSubscribers) responseChannel.publish(event)
}
