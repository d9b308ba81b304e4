import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/** How a request was answered. `bypass`: the cache was not asked; `error`: `only-if-cached`, and nothing was there. */
export type ResponseResult = 'hit' | 'stale' | 'miss' | 'revalidated' | 'collapsed' | 'bypass' | 'error'

/** What is published on the diagnostics channel `larder:responses`. `route`: its pattern, never a URL. */
export type ResponseEvent = {
  cache: string
  /** The application: its `fastify.server`. */
  app: object
} & ({ type: 'request'; route: string; result: ResponseResult } | { type: 'purge'; what: 'url' | 'tags' | 'unsafe' })

/** With no subscriber, publishing costs one property check. */
export const responseChannel: Channel = larderChannel('responses')

/** Tells what happened. */
export function publish(event: ResponseEvent): void {
  if (responseChannel.hasSubscribers) responseChannel.publish(event)
}
