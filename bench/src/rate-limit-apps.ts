import rateLimitPlugin from '@fastify/rate-limit'
import rateLimit, { createStore } from '@larder/rate-limit'
import { serveWorker } from '@larder/test-redis'
import Fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'

/** So many that nobody is refused. */
const MAX = 1_000_000_000

const redis = new Redis(process.env.BENCH_REDIS_URL as string)
const apps: FastifyInstance[] = []

async function listen(limit: (app: FastifyInstance) => unknown): Promise<string> {
  const app = Fastify()
  await limit(app)
  app.get('/', async () => ({ hello: 'world' }))
  apps.push(app)
  return app.listen({ port: 0, host: '127.0.0.1' })
}

const withLarder = (algorithm: 'sliding-window' | 'gcra' | 'fixed-window') => (app: FastifyInstance) =>
  app.register(rateLimit, { redis, max: MAX, algorithm, namespace: algorithm })

const withStore = (app: FastifyInstance): unknown => {
  const Store = createStore(redis, { namespace: 'alone' })
  app.addHook('onClose', async () => Store.close())
  return app.register(rateLimitPlugin, { store: Store, max: MAX })
}

const methods = {
  /** Applications with one route each, by how it is limited: where they listen. */
  listen: async (): Promise<Record<string, string>> => ({
    'no limit': await listen(() => {}),
    '@larder/rate-limit, sliding-window': await listen(withLarder('sliding-window')),
    '@larder/rate-limit, gcra': await listen(withLarder('gcra')),
    '@larder/rate-limit, fixed-window': await listen(withLarder('fixed-window')),
    'createStore alone': await listen(withStore),
    "@fastify/rate-limit's Redis store": await listen((app) => app.register(rateLimitPlugin, { redis, max: MAX })),
    '@larder/rate-limit in memory': await listen((app) => app.register(rateLimit, { redis: false, max: MAX })),
    '@fastify/rate-limit in memory': await listen((app) => app.register(rateLimitPlugin, { max: MAX })),
  }),
}
export type Methods = typeof methods

/** The applications have a process to themselves, so that who asks takes nothing from them. */
serveWorker(methods, {
  onStop: async () => {
    for (const app of apps) await app.close()
    redis.disconnect()
  },
})
