import { within } from './deadline.js'
import { RedisUnavailableError } from './errors.js'
import type { RedisClient } from './redis.js'
import { HISTORY, KEPT, type Visit, type Visits } from './visits.js'

const DEADLINE = 250
/** Beyond so many unanswered visits further ones are dropped: a Redis that hangs must not fill our memory. */
const MAX_PENDING = 1_000

/** {@link Visits} in Redis: a capped LIST a user, a HyperLogLog a product. */
export class RedisVisits implements Visits {
  readonly #redis: RedisClient
  readonly #prefix: string
  #pending = 0

  /** The visits of the products in the database of that identity. */
  constructor(redis: RedisClient, identity: string) {
    this.#redis = redis
    this.#prefix = `shop-visits:${identity}`
  }

  async record({ productId, visitor, user }: Visit): Promise<void> {
    // Without a connection ioredis would hoard the commands.
    if (this.#redis.status !== 'ready' || this.#pending >= MAX_PENDING) return
    const visitors = this.#visitorsKey(productId)
    const commands: Promise<unknown>[] = [this.#redis.multi().pfadd(visitors, visitor).expire(visitors, KEPT).exec()]
    if (user !== undefined) {
      const history = this.#historyKey(user)
      const push = this.#redis.multi().lrem(history, 0, productId).lpush(history, productId)
      commands.push(
        push
          .ltrim(history, 0, HISTORY - 1)
          .expire(history, KEPT)
          .exec(),
      )
    }
    this.#pending++
    await Promise.allSettled(commands)
    this.#pending--
  }

  async recent(user: string): Promise<number[]> {
    const ids = await this.#answer((redis) => redis.lrange(this.#historyKey(user), 0, HISTORY - 1))
    return ids.map(Number)
  }

  visitors(productId: number): Promise<number> {
    return this.#answer((redis) => redis.pfcount(this.#visitorsKey(productId)))
  }

  async #answer<T>(ask: (redis: RedisClient) => Promise<T>): Promise<T> {
    if (this.#redis.status !== 'ready') throw new RedisUnavailableError()
    try {
      return await within(DEADLINE, ask(this.#redis), () => new Error(`no answer within ${DEADLINE} ms`))
    } catch (error) {
      throw new RedisUnavailableError({ cause: error })
    }
  }

  #historyKey(user: string): string {
    return `${this.#prefix}:user:${user}`
  }

  #visitorsKey(productId: number): string {
    return `${this.#prefix}:product:${productId}`
  }
}
