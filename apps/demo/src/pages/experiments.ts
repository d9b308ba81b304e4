import type { Cache } from '@larder/cache-aside'
import type { FastifyInstance } from 'fastify'
import type { Catalogue } from '../catalogue.js'
import type { Database } from '../database.js'
import type { Orders } from '../orders.js'
import type { OwnRedis } from '../own-redis.js'
import type { Product } from '../product.js'
import type { RedisClient } from '../redis.js'
import { type FloodReport, flood } from './flood.js'
import { LockQueue, type LockQueueState } from './lock-queue.js'
import { Visitors } from './visitors.js'

/** After this the cache is on again and Redis runs again: nobody finds a shop that an experiment left broken. */
const LASTS = 60_000

/** What {@link Experiments} work with. */
export type ExperimentParts = {
  app: FastifyInstance
  database: Database
  cache: Cache
  catalogue: Catalogue
  orders: Orders
  /** What the shop keeps its state in, and the server if the shop started it. */
  redis: RedisClient | undefined
  ownRedis: OwnRedis | undefined
}

/** Which experiments are under way. */
export type ExperimentState = {
  visitors: number
  cacheOff: boolean
  lock: LockQueueState
  redis: 'memory' | 'supplied' | 'running' | 'stopped'
}

/** What the dashboard's buttons do, for real, to this process and the Redis that it started. */
export class Experiments {
  readonly #parts: ExperimentParts
  readonly #visitors: Visitors
  readonly #lockQueue: LockQueue
  #cacheTimer: NodeJS.Timeout | undefined
  #redisTimer: NodeJS.Timeout | undefined

  constructor(parts: ExperimentParts) {
    this.#parts = parts
    this.#visitors = new Visitors(parts)
    this.#lockQueue = new LockQueue(parts.app.locks)
  }

  state(): ExperimentState {
    const { catalogue, redis, ownRedis } = this.#parts
    return {
      visitors: this.#visitors.count,
      cacheOff: catalogue.cacheOff,
      lock: this.#lockQueue.state(),
      redis: ownRedis ? (ownRedis.isRunning() ? 'running' : 'stopped') : redis === undefined ? 'memory' : 'supplied',
    }
  }

  invite(count: number): void {
    this.#visitors.invite(count)
  }

  flood(request: { calls: number; cached: boolean }): Promise<FloodReport> {
    return flood(this.#parts, request)
  }

  /** Changes a product's price a little, as its `PUT` would. */
  async reprice(id: number): Promise<Product> {
    const { catalogue } = this.#parts
    const { value } = await catalogue.product(id)
    const price = value === null ? 1 : Math.max(1, value.price + (Math.random() < 0.5 ? -1 : 1) * (1 + Math.random()))
    return catalogue.update(id, { price: Math.round(price * 100) / 100 })
  }

  takeLock(): void {
    this.#lockQueue.take()
  }

  /** Off for a minute at most. */
  switchCache(on: boolean): void {
    clearTimeout(this.#cacheTimer)
    this.#parts.catalogue.cacheOff = !on
    if (!on) this.#cacheTimer = setTimeout(() => this.switchCache(true), LASTS).unref()
  }

  /** Stops the shop's own Redis for a minute at most, or starts it again, empty. Another's is never touched: `false`. */
  async switchRedis(on: boolean): Promise<boolean> {
    const { ownRedis } = this.#parts
    if (ownRedis === undefined) return false
    clearTimeout(this.#redisTimer)
    if (on) await ownRedis.start()
    else {
      await ownRedis.stop()
      this.#redisTimer = setTimeout(() => void ownRedis.start().catch(() => {}), LASTS).unref()
    }
    return true
  }

  /** Ends what is under way. */
  close(): void {
    clearTimeout(this.#cacheTimer)
    clearTimeout(this.#redisTimer)
    this.#visitors.invite(0)
    this.#lockQueue.close()
  }
}
