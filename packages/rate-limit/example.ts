// Three limits on one application. Runs without Redis, too: REDIS_URL names one.
import rateLimit from '@larder/rate-limit'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

const redis = process.env.REDIS_URL === undefined ? false : new Redis(process.env.REDIS_URL)
const app = Fastify()

await app.register(rateLimit, {
  redis,
  max: 100,
  timeWindow: '1 minute',
  policies: { burst: { max: 20, timeWindow: '1s', algorithm: 'gcra' } },
})

app.get('/', async () => ({ hello: 'world' }))

// Exporting is dear: each counts ten of thirty a minute, and none in the burst.
app.get('/export', { config: { rateLimit: { max: 30, cost: 10, policies: {} } } }, async () => ({ rows: [] }))

// Only failed attempts count.
const attempts = app.createRateLimit({ name: 'login', max: 3, timeWindow: '15 minutes', onRedisError: 'closed' })
app.post('/login', async (request, reply) => {
  const status = await attempts(request, { increment: false })
  if (!status.isAllowed && status.remaining === 0) return reply.code(429).send({ error: 'Too many attempts' })
  if ((request.body as { password?: string }).password === 'larder') return { welcome: true }
  await attempts(request)
  return reply.code(401).send({ error: 'Invalid credentials' })
})

const first = await app.inject('/')
console.log(first.statusCode, first.headers.ratelimit)
for (let i = 0; i < 4; i++) console.log('/export', (await app.inject('/export')).statusCode)
for (const password of ['a', 'b', 'c', 'larder']) {
  const { statusCode } = await app.inject({ method: 'POST', url: '/login', payload: { password } })
  console.log('/login', password, statusCode)
}

await app.close()
if (redis) redis.disconnect()
