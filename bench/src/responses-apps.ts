import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import cacheAside from '@larder/cache-aside'
import responseCache from '@larder/response-cache'
import { serveWorker } from '@larder/test-redis'
import Fastify, { type FastifyInstance } from 'fastify'
import lcache from 'fastify-lcache'
import { Redis } from 'ioredis'

setFlagsFromString('--expose-gc')
/** Collects garbage, so that what is left is held by somebody. */
const collect = runInNewContext('gc') as () => void

const redis = new Redis(process.env.BENCH_REDIS_URL as string)
const apps: FastifyInstance[] = []

/** A list as shops have it: some 1 KB of JSON. */
const LIST = {
  items: Array.from({ length: 10 }, (_, id) => ({ id, name: `Pantry shelf ${id}`, price: 19.9 + id, stock: 7 })),
}
const TEXT = JSON.stringify(LIST)
const schema = {
  response: {
    200: {
      type: 'object',
      properties: {
        items: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              id: { type: 'integer' },
              name: { type: 'string' },
              price: { type: 'number' },
              stock: { type: 'integer' },
            },
          },
        },
      },
    },
  },
} as const
const kept = { config: { responseCache: { ttl: '1h' } } }

async function listen(routes: (app: FastifyInstance) => unknown): Promise<string> {
  const app = Fastify()
  await routes(app)
  apps.push(app)
  return app.listen({ port: 0, host: '127.0.0.1' })
}

const withCache =
  (memory: boolean, redisOption: Redis | false, extra: object, handler: () => unknown) =>
  async (app: FastifyInstance) => {
    const options = { redis: redisOption, namespace: `bench${apps.length}`, ttl: '1h' }
    await app.register(cacheAside, memory ? options : { ...options, memory: false })
    await app.register(responseCache)
    app.get('/', { ...kept, ...extra }, async () => handler())
  }

/** The plugin that keeps responses by their URL alone. */
async function withLcache(app: FastifyInstance): Promise<void> {
  await app.register(lcache.default, { ttlInMinutes: 60 })
  app.get('/', { schema }, async () => LIST)
}

const methods = {
  /** Applications with one route each: where they listen. */
  listen: async (): Promise<Record<string, string>> => ({
    'a route that returns the string': await listen((app) => app.get('/', async () => TEXT)),
    'a hit in memory, of the string': await listen(withCache(true, false, {}, () => TEXT)),
    'a hit in memory, of the object': await listen(withCache(true, false, { schema }, () => LIST)),
    'a hit in memory beside Redis': await listen(withCache(true, redis, {}, () => TEXT)),
    'a hit in Redis': await listen(withCache(false, redis, {}, () => TEXT)),
    'fastify-lcache, of the object': await listen(withLcache),
    'the object with a response schema, not kept': await listen((app) => app.get('/', { schema }, async () => LIST)),
  }),
  /** Bytes of heap before and after so many different URLs were asked for. */
  fill: async (count: number): Promise<{ before: number; after: number }> => {
    const app = Fastify()
    await app.register(cacheAside, { redis: false, memory: { maxEntries: 10_000, maxBytes: '64mb' } })
    await app.register(responseCache)
    app.get('/:id', kept, async () => TEXT)
    await app.ready()
    apps.push(app)
    const heap = async (): Promise<number> => {
      // Timers that were started last have run out by then, and what they held can be collected.
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      collect()
      collect()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    const before = await heap()
    for (let i = 0; i < count; i++) {
      await app.inject(`/${i}`)
      if (i % 100 === 0) await new Promise(setImmediate)
    }
    return { before, after: await heap() }
  },
}
export type Methods = typeof methods

/** The applications have a process to themselves, so that who asks takes nothing from them. */
serveWorker(methods, {
  onStop: async () => {
    for (const app of apps) await app.close()
    redis.disconnect()
  },
})
