import { startRedis } from '@larder/test-redis'
import writeBehind from '@larder/write-behind'
import fastify from 'fastify'
import { type Contender, compare } from './harness.js'
import type { Result, Suite } from './suite.js'

const KEYS = 1_000

function keyed(i: number): string {
  return `product:${(i * 7) % KEYS}`
}

function alone(name: string, one: (key: string) => Promise<unknown>): Contender {
  return {
    name,
    run: async (times) => {
      for (let i = 0; i < times; i++) await one(keyed(i))
    },
  }
}

function together(name: string, one: (key: string) => Promise<unknown>): Contender {
  return {
    name,
    run: async (times) => {
      for (let i = 0; i < times; i += 100) {
        await Promise.all(Array.from({ length: 100 }, (_, j) => one(keyed(i + j))))
      }
    },
  }
}

/** Increments and puts that nobody loses, beside HINCRBY and HSET; how many increments one row update of a hot key stands for. */
export const writesBehind: Suite = {
  name: 'write-behind',
  run: async () => {
    const server = await startRedis()
    const raw = server.client()
    const pipelined = server.client({ enableAutoPipelining: true })
    const app = fastify()
    await app.register(writeBehind, { redis: server.client(), every: '1s' })
    let flushed = 0
    const flush = async ({ entries }: { entries: Map<string, unknown> }): Promise<void> => {
      flushed += entries.size
    }
    const views = app.writeBehind.counter('views', { flush })
    const edits = app.writeBehind.queue('edits', { coalesce: 'last', flush })
    const log = app.writeBehind.queue('log', { coalesce: 'all', maxPending: 10_000_000, flush })
    const increment = (key: string) => views.increment(key)
    const results: Result[] = [
      ...(await compare({
        name: 'increment, one at a time',
        baseline: alone('HINCRBY', (key) => raw.hincrby('raw', key, 1)),
        contenders: [alone('increment', increment)],
        goal: 0.9,
        times: 3_000,
      })),
      ...(await compare({
        name: 'increment, 100 at once',
        baseline: together('HINCRBY, auto-pipelined', (key) => pipelined.hincrby('raw', key, 1)),
        contenders: [
          together('increment', increment),
          together('increment of one hot key', () => views.increment('hot')),
        ],
        goal: 0.9,
        times: 10_000,
      })),
      ...(await compare({
        name: 'put, 100 at once',
        baseline: together('HSET, auto-pipelined', (key) => pipelined.hset('raw-edits', key, '{"a":1}')),
        contenders: [
          together("put, coalesce: 'last'", (key) => edits.put(key, { a: 1 })),
          together("put, coalesce: 'all'", (key) => log.put(key, { a: 1 })),
        ],
        goal: 0.9,
        times: 10_000,
      })),
    ]
    await app.writeBehind.flush()
    flushed = 0
    const increments = 50_000
    for (let i = 0; i < increments; i += 10) await Promise.all(Array.from({ length: 10 }, () => views.increment('hot')))
    await views.flush()
    results.push({
      name: 'increments of a hot key for one row update',
      value: `${Math.round(increments / flushed)}`,
      goal: '>= 20',
      reached: increments / flushed >= 20,
    })
    await app.close()
    await server.stop()
    return results
  },
}
