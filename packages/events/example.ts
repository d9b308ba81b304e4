// A shop that mails each order, and shows them as they come. Runs without Redis, too: REDIS_URL names one.
import events from '@larder/events'
import Fastify from 'fastify'
import { Redis } from 'ioredis'

type Order = { order: number; total: number }

const redis = process.env.REDIS_URL === undefined ? false : new Redis(process.env.REDIS_URL)
const app = Fastify()
await app.register(events, { redis })
const orders = app.events.stream<Order>('orders', { maxLength: 10_000 })

app.post('/orders', async (request) => ({ id: await orders.add(request.body as Order) }))
app.get('/events/orders', (request, reply) =>
  app.events.sse(request, reply, ({ lastEventId, signal }) => orders.read({ after: lastEventId, signal }), {
    event: 'order',
  }),
)

const done = new Promise<void>((resolve) => {
  orders.consume(
    'mailer',
    ({ payload, attempt }) => {
      if (payload.total > 100 && attempt === 1) throw new Error('the mail server is busy')
      console.log(`mailed order ${payload.order} at attempt ${attempt}`)
      if (payload.order === 2) resolve()
    },
    { backoff: { first: '20ms' }, concurrency: 5 },
  )
})
await app.listen({ port: 0 })
for (const order of [
  { order: 1, total: 9.99 },
  { order: 2, total: 199 },
])
  await app.inject({ method: 'POST', url: '/orders', payload: order })
await done
console.log('dead letters:', await orders.deadLetters('mailer').count())
await app.close()
if (redis) redis.disconnect()
