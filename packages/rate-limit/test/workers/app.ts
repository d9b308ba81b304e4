import rateLimit from '@larder/rate-limit'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'

/** An application as another process has it. */
const redis = new Redis(process.env.REDIS as string)
const app = fastify()
await app.register(rateLimit, { redis, max: 10, namespace: process.env.NAMESPACE as string })
app.get('/', async () => 'ok')
app.get('/own', { config: { rateLimit: { max: 6 } } }, async () => 'ok')
const limiter = app.createRateLimit({ max: 6 })
app.get('/limiter', { config: { rateLimit: false } }, async (request, reply) => {
  const limit = await limiter(request)
  return reply.code(!limit.isAllowed && limit.isExceeded ? 429 : 200).send()
})

const methods = {
  /** How many of so many requests at once are let in. */
  hit: async (url: string, times: number): Promise<number> => {
    const answers = await Promise.all(Array.from({ length: times }, () => app.inject(url)))
    return answers.filter(({ statusCode }) => statusCode === 200).length
  },
}
export type Methods = typeof methods
serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
  },
})
