// A caching reverse proxy, and a page of one's own. Runs without Redis, too: REDIS_URL names one.
import httpProxy from '@fastify/http-proxy'
import cacheAside from '@larder/cache-aside'
import responseCache from '@larder/response-cache'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const origin = Fastify()
origin.get('/news', async (_request, reply) =>
  reply.header('cache-control', 'max-age=60, stale-if-error=3600').send({ news: 'none' }),
)
const upstream = await origin.listen({ port: 0, host: '127.0.0.1' })

const redis = process.env.REDIS_URL === undefined ? false : new Redis(process.env.REDIS_URL)
const app = Fastify()
await app.register(cacheAside, { redis })
await app.register(responseCache, { global: true, maxBodyBytes: '4mb' })
await app.register(httpProxy, { upstream })

// Each user has pages of his own.
const byUser = {
  config: {
    responseCache: {
      ttl: 10_000,
      private: (request: { headers: Record<string, unknown> }) => String(request.headers['x-user']),
    },
  },
}
app.get('/account', byUser, async (request) => `account of ${request.headers['x-user']}`)

const ask = async (url: string, user = 'alice') => {
  const { headers, body } = await app.inject({ url, headers: { 'x-user': user } })
  console.log(url, body, headers['cache-status'])
}
await ask('/news')
await ask('/news')
for (const user of ['alice', 'bob', 'alice']) await ask('/account', user)

await app.close()
await origin.close()
if (redis) redis.disconnect()
