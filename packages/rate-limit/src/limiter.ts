import type { Log } from '@larder/core'
import { rateLimitChannel, type Source } from './channel.js'
import { UnavailableError } from './errors.js'
import type { MemoryStore } from './memory-store.js'
import type { RedisStore } from './redis-store.js'
import type { Demand, Verdict } from './store.js'

/** What happens when Redis cannot be asked: this process limits by itself, everybody is let in, or nobody. */
export type OnRedisError = 'local' | 'open' | 'closed'

/** A verdict, and whose it is. */
export interface Answer {
  readonly verdict: Verdict
  readonly source: Source
}

/** Let in by nobody's decision. */
const OPEN: Answer = { verdict: { refusals: 0, wait: 0, quotas: [] }, source: 'open' }

/** Asks Redis, and knows what to do when it cannot be asked. */
export class Limiter {
  readonly #redis: RedisStore | undefined
  readonly #memory: MemoryStore
  readonly #log: Log
  readonly #app: object | undefined
  #failing = false

  constructor(redis: RedisStore | undefined, memory: MemoryStore, log: Log, app: object | undefined) {
    this.#redis = redis
    this.#memory = memory
    this.#log = log
    this.#app = app
  }

  /** Rejects only with `onRedisError: 'closed'`: `LARDER_RATE_LIMIT_UNAVAILABLE`. */
  decide(demand: Demand, onRedisError: OnRedisError, limiter: string): Answer | Promise<Answer> {
    if (this.#redis === undefined) return { verdict: this.#memory.decide(demand), source: 'memory' }
    return this.#ask(this.#redis, demand, onRedisError, limiter)
  }

  #ask(redis: RedisStore, demand: Demand, onRedisError: OnRedisError, limiter: string): Promise<Answer> {
    return redis.decide(demand).then(
      (verdict) => {
        this.#failing = false
        return { verdict, source: 'redis' }
      },
      (error: Error) => {
        this.#tell(error, onRedisError, limiter)
        if (onRedisError === 'open') return OPEN
        if (onRedisError === 'local') return { verdict: this.#memory.decide(demand), source: 'local' }
        throw new UnavailableError(error.message, { cause: error })
      },
    )
  }

  #tell(error: Error & { code?: string }, answer: OnRedisError, limiter: string): void {
    const reason =
      error.code === 'LARDER_REDIS_TIMEOUT'
        ? 'timeout'
        : error.code === 'LARDER_REDIS_UNAVAILABLE'
          ? 'unavailable'
          : 'failed'
    if (rateLimitChannel.hasSubscribers)
      rateLimitChannel.publish({ type: 'error', app: this.#app, limiter, answer, reason })
    // The breaker has told of everything but what the server itself refuses, such as a write over its memory limit.
    if (reason === 'failed' && !this.#failing) {
      this.#failing = true
      this.#log.warn({ err: error }, `larder: Redis refused to count requests, rate limits are now '${answer}'`)
    }
  }
}
