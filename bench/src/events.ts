import events from '@larder/events'
import { startRedis } from '@larder/test-redis'
import fastify from 'fastify'
import { type Contender, compare } from './harness.js'
import type { Result, Suite } from './suite.js'

const PAYLOAD = { id: 42, total: 19.99, items: [{ productId: 7, quantity: 2 }], createdAt: '2026-01-01T00:00:00.000Z' }
const LENGTH = 10_000

const alone = (name: string, one: () => Promise<unknown>): Contender => ({
  name,
  run: async (times) => {
    for (let i = 0; i < times; i++) await one()
  },
})

const together = (name: string, one: () => Promise<unknown>): Contender => ({
  name,
  run: async (times) => {
    for (let i = 0; i < times; i += 100) await Promise.all(Array.from({ length: 100 }, one))
  },
})

/** Publishing and adding beside the raw commands with the same payload as JSON; one setting for one caller and for a hundred. */
export const eventing: Suite = {
  name: 'events',
  run: async () => {
    const server = await startRedis()
    const raw = server.client()
    const pipelined = server.client({ enableAutoPipelining: true })
    const app = fastify()
    await app.register(events, { redis: server.client(), namespace: 'bench' })
    const topic = app.events.topic('orders')
    const stream = app.events.stream('orders', { maxLength: LENGTH })
    const publish = (redis: typeof raw) => () => redis.publish('raw', JSON.stringify(PAYLOAD))
    const add = (redis: typeof raw) => () =>
      redis.xadd('raw-stream', 'MAXLEN', '~', LENGTH, '*', 'payload', JSON.stringify(PAYLOAD))
    const results: Result[] = [
      ...(await compare({
        name: 'publish, one at a time',
        baseline: alone('PUBLISH', publish(raw)),
        contenders: [alone('publish', () => topic.publish(PAYLOAD))],
        goal: 0.9,
        times: 4_000,
      })),
      ...(await compare({
        name: 'publish, 100 at once',
        baseline: together('PUBLISH, auto-pipelined', publish(pipelined)),
        contenders: [together('publish', () => topic.publish(PAYLOAD))],
        goal: 0.9,
        times: 20_000,
      })),
      ...(await compare({
        name: 'add, one at a time',
        baseline: alone('XADD', add(raw)),
        contenders: [alone('add', () => stream.add(PAYLOAD))],
        goal: 0.9,
        times: 4_000,
      })),
      ...(await compare({
        name: 'add, 100 at once',
        baseline: together('XADD, auto-pipelined', add(pipelined)),
        contenders: [together('add', () => stream.add(PAYLOAD))],
        goal: 0.9,
        times: 20_000,
      })),
    ]
    await app.close()
    await server.stop()
    return results
  },
}
