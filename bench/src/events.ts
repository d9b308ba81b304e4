import events, { type Stream } from '@larder/events'
import { startRedis } from '@larder/test-redis'
import fastify from 'fastify'
import type { Redis } from 'ioredis'
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

/** Reads a stream from its start, as often as it takes: entries by pages of 100, each parsed. */
async function readRaw(redis: Redis, key: string, times: number): Promise<void> {
  let last = '0'
  for (let read = 0; read < times; ) {
    const [stream] = (await redis.xread('COUNT', 100, 'STREAMS', key, last)) ?? []
    const entries = stream?.[1] ?? []
    for (const [, fields] of entries) JSON.parse(fields[1] as string)
    read += entries.length
    last = entries.at(-1)?.[0] ?? '0'
  }
}

async function readOurs(stream: Stream<unknown>, times: number): Promise<void> {
  for (let read = 0; read < times; ) {
    const until = Math.min(read + LENGTH, times)
    for await (const _ of stream.read({ after: '0' })) if (++read === until) break
  }
}

/** Publishing, adding and reading beside the raw commands with the same payload as JSON; one setting for one caller and for a hundred. */
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
    const kept = app.events.stream('kept', { maxLength: 2 * LENGTH })
    for (let i = 0; i < LENGTH; i += 100) await Promise.all(Array.from({ length: 100 }, () => kept.add(PAYLOAD)))
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
      ...(await compare({
        name: `read a stream of ${LENGTH}`,
        baseline: { name: 'XREAD COUNT 100, parsed', run: (times) => readRaw(raw, 'bench:stream:{kept}', times) },
        contenders: [{ name: 'read', run: (times) => readOurs(kept, times) }],
        goal: 0.5,
        times: LENGTH,
      })),
    ]
    await app.close()
    await server.stop()
    return results
  },
}
