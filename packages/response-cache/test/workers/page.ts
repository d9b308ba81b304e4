import cacheAside from '@larder/cache-aside'
import responseCache from '@larder/response-cache'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'

const { port, namespace } = JSON.parse(process.env.SETUP as string) as { port: number; namespace: string }
const redis = new Redis(port, '127.0.0.1')
const app = fastify({ forceCloseConnections: true })
await app.register(cacheAside, { redis, namespace, deadline: '20s' })
await app.register(responseCache, {})
let handled = 0
app.get('/:page', { config: { responseCache: { ttl: '1m' } } }, async (request, reply) => {
  handled++
  await new Promise((resolve) => setTimeout(resolve, 200))
  if ((request.params as { page: string }).page.startsWith('vary')) reply.header('vary', 'accept-language')
  return { by: process.pid }
})
const url = await app.listen({ port: 0, host: '127.0.0.1' })

const methods = {
  url: () => url,
  handled: () => handled,
}
export type Methods = typeof methods

serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
  },
})
