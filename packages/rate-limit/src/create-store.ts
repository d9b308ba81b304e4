import type { FastifyRateLimitOptions } from '@fastify/rate-limit'
import { Clock, invalidOption, isClient, type Log, type RedisOption } from '@larder/core'
import { Counter, type CounterParams, type Workshop } from './counter.js'
import { Limiter } from './limiter.js'
import { MemoryStore } from './memory-store.js'
import { type ResolvedStore, resolveStore, type StoreOptions } from './options.js'
import { RedisStore } from './redis-store.js'
import { scopeOf } from './scope.js'

/** A client of ioredis. */
type Client = Exclude<RedisOption, string | false>

/** A class for option `store` of `@fastify/rate-limit`. */
export interface StoreClass {
  new (params: FastifyRateLimitOptions): Counter
  /** Ends the interest in the client, which stays open. To be called when the application closes. */
  close(): void
}

const SILENT: Log = { warn: () => {}, info: () => {} }

/**
 * Makes a store for those who register `@fastify/rate-limit` themselves. Without Larder's plugin a store does not get to see the
 * request: `cost` is a number, and the fields `RateLimit` and `RateLimit-Policy` are not written.
 *
 * @param redis a client of ioredis, or `false` for memory
 * @throws `LARDER_INVALID_OPTION`
 * @example
 * const Store = createStore(redis, { algorithm: 'gcra' })
 * await app.register(rateLimit, { max: 100, timeWindow: '1 minute', store: Store })
 * app.addHook('onClose', async () => Store.close())
 */
export function createStore(redis: Client | false, options: StoreOptions = {}): StoreClass {
  if (redis !== false && !isClient(redis)) throw invalidOption('redis', 'an ioredis client or `false`', redis)
  const resolved = resolveStore(options)
  const { limiter, redisStore } = openLimiter(redis || undefined, resolved, resolved.log ?? SILENT, undefined)
  return classOf(
    {
      app: undefined,
      limiter,
      limit: resolved.limit,
      requests: undefined,
      prefix: '',
      nested: false,
      limiters: new Map(),
    },
    () => redisStore?.close(),
  )
}

/** Opens what decides. */
export function openLimiter(
  client: Client | undefined,
  { prefix, deadline, cache, clock }: ResolvedStore,
  log: Log,
  app: object | undefined,
): { limiter: Limiter; redisStore: RedisStore | undefined } {
  const redisStore = client && new RedisStore(client, { prefix, deadline, log })
  const time = new Clock()
  const memory = new MemoryStore({ maxKeys: cache, now: clock ?? (() => time.now()) })
  return { limiter: new Limiter(redisStore, memory, log, app), redisStore }
}

/** The class that `@fastify/rate-limit` makes its one store of. */
export function classOf(workshop: Workshop, close: () => void): StoreClass {
  return class extends Counter {
    constructor(params: FastifyRateLimitOptions) {
      super(workshop, scopeOf({ kind: 'global' }, workshop.prefix), { limit: workshop.limit }, params as CounterParams)
    }

    static close(): void {
      close()
    }
  }
}
