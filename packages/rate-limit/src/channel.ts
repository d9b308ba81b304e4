import type { Channel } from 'node:diagnostics_channel'
import { larderChannel } from '@larder/core'

/** Who decided: Redis; memory because there is no Redis; memory, or nobody, because Redis could not be asked. */
export type Source = 'redis' | 'memory' | 'local' | 'open'

/**
 * What is published on the diagnostics channel `larder:rate-limit`. `limiter`: which limit, such as `global`, `GET /orders`,
 * `group otp` or the name of one made by `createRateLimit`; never a key. `app`: the application (its `fastify.server`); `undefined` for a
 * store made by `createStore`.
 */
export type RateLimitEvent = { app: object | undefined; limiter: string } & (
  | { type: 'allowed' | 'limited' | 'banned'; source: Source; cost: number; remaining: number }
  | { type: 'error'; answer: 'local' | 'open' | 'closed'; reason: 'timeout' | 'unavailable' | 'failed' }
)

/** With no subscriber, publishing costs one property check. */
export const rateLimitChannel: Channel = larderChannel('rate-limit')
