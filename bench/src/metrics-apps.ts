import cacheAside from '@larder/cache-aside'
import metrics from '@larder/metrics'
import { serveWorker } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'

const apps: FastifyInstance[] = []
const load = async () => ({ id: 42, name: 'Pantry shelf', price: 12.5 })

async function open(counted: boolean): Promise<FastifyInstance> {
  const app = fastify()
  apps.push(app)
  if (counted) await app.register(metrics)
  await app.register(cacheAside, { redis: false, ttl: '1h' })
  app.get('/', () => app.cache.getOrSet('product:42', load))
  return app
}

const methods = {
  /** Serves a route that answers from memory, with metrics or without; its address. */
  listen: async (counted: boolean): Promise<string> => {
    const app = await open(counted)
    return app.listen({ host: '127.0.0.1', port: 0 })
  },
  /** Hits so many times without HTTP; nanoseconds a hit. */
  hit: async (times: number): Promise<number> => {
    const [app] = apps as [FastifyInstance]
    const start = process.hrtime.bigint()
    for (let i = 0; i < times; i++) await app.cache.getOrSet('product:42', load)
    return Number(process.hrtime.bigint() - start) / times
  },
}

export type Methods = typeof methods
serveWorker(methods, { onStop: () => Promise.all(apps.map((app) => app.close())) })
