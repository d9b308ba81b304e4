import { startRedis } from '@larder/test-redis'
import { makeApp, product } from './apps.js'
import { type Contender, compare, type Row } from './harness.js'
import type { Figure, Suite } from './suite.js'

const KEYS = 1_000

/** Hits in Redis, beside the raw command and `JSON.parse`; one setting for one caller and for a hundred. */
export const redis: Suite = {
  name: 'redis',
  run: async () => {
    const server = await startRedis()
    const client = server.client()
    const raw = server.client()
    const pipelined = server.client({ enableAutoPipelining: true })
    const app = await makeApp({ redis: client, memory: false, ttl: '1h' })
    const { cache } = app
    const keys = Array.from({ length: KEYS }, (_, i) => `product:${i}`)
    const tags = keys.map((key) => `t:${key}`)
    const load = async (): Promise<unknown> => {
      throw new Error('not cached')
    }
    for (const [i, key] of keys.entries()) {
      await raw.set(key, JSON.stringify(product(i)))
      await cache.set(key, product(i))
      await cache.set(`t:${key}`, product(i), { tags: ['products', `category:${i % 40}`] })
    }
    for (const key of tags) await cache.get(key)
    const get = async (from: typeof raw, key: string): Promise<unknown> => JSON.parse((await from.get(key)) as string)
    const alone = (name: string, names: string[], one: (key: string) => Promise<unknown>): Contender => ({
      name,
      run: async (times) => {
        for (let i = 0; i < times; i++) await one(names[i % KEYS] as string)
      },
    })
    const together = (name: string, names: string[], one: (key: string) => Promise<unknown>): Contender => ({
      name,
      run: async (times) => {
        for (let i = 0; i < times; i += 100) {
          await Promise.all(Array.from({ length: 100 }, (_, j) => one(names[(i + j) % KEYS] as string)))
        }
      },
    })
    const loops = (name: string, names: string[], one: (key: string) => Promise<unknown>): Contender => ({
      name,
      run: async (times) => {
        const loop = async (start: number): Promise<void> => {
          for (let i = 0; i < times / 100; i++) await one(names[(start * 37 + i) % KEYS] as string)
        }
        await Promise.all(Array.from({ length: 100 }, (_, start) => loop(start)))
      },
    })
    const cached = (key: string): Promise<unknown> => cache.getOrSet(key, load)
    const rows: (Row | Figure)[] = [
      ...(await compare({
        name: 'Redis hit, one at a time',
        baseline: alone('GET + JSON.parse', keys, (key) => get(raw, key)),
        contenders: [alone('getOrSet', keys, cached), alone('getOrSet, tagged', tags, cached)],
        goal: 0.9,
        times: 4_000,
      })),
      ...(await compare({
        name: 'Redis hit, 100 at once',
        baseline: together('GET + JSON.parse, auto-pipelined', keys, (key) => get(pipelined, key)),
        contenders: [together('getOrSet', keys, cached), together('getOrSet, tagged', tags, cached)],
        goal: 0.9,
        times: 20_000,
      })),
      ...(await compare({
        name: 'Redis hit, 100 loops',
        baseline: loops('GET + JSON.parse, auto-pipelined', keys, (key) => get(pipelined, key)),
        contenders: [loops('getOrSet', keys, cached)],
        goal: 0.9,
        times: 20_000,
      })),
    ]
    const hundred = keys.slice(0, 100)
    rows.push(
      ...(await compare({
        name: 'getMany of 100 keys from Redis',
        baseline: {
          name: 'MGET + 100 JSON.parse',
          run: async (times) => {
            for (let i = 0; i < times; i++) (await raw.mget(hundred)).map((text) => JSON.parse(text as string))
          },
        },
        contenders: [
          {
            name: 'getMany',
            run: async (times) => {
              for (let i = 0; i < times; i++) await cache.getMany(hundred)
            },
          },
        ],
        goal: 0.9,
        times: 200,
      })),
    )
    await server.resetCommandCounts()
    for (const key of tags) await cached(key)
    const counts = await server.commandCounts()
    const get1 = counts.get ?? 0
    rows.push({
      name: `commands of ${KEYS} tagged hits from Redis`,
      value: JSON.stringify(counts),
      goal: `${KEYS} GET`,
      reached: get1 === KEYS,
    })
    await app.close()
    await server.stop()
    return rows
  },
}
