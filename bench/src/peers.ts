import { startRedis } from '@larder/test-redis'
import { createCache } from 'async-cache-dedupe'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisDriver } from 'bentocache/drivers/redis'
import { makeApp, product } from './apps.js'
import { type Contender, compare, type Row } from './harness.js'
import type { Suite } from './suite.js'

const KEYS = 100

/** Other caches beside ours, each as its documentation sets it up, against the same baselines. */
export const peers: Suite = {
  name: 'peers',
  run: async () => {
    const server = await startRedis()
    const map = new Map<string, unknown>()
    const keys = Array.from({ length: KEYS }, (_, i) => `product:${i}`)
    const load = async (key: string): Promise<unknown> => map.get(key)
    for (const [i, key] of keys.entries()) map.set(key, product(i))
    const app = await makeApp({ redis: server.client(), ttl: '1h' })
    const straight = app.cache.namespace('straight', { memory: false })
    const dedupe = createCache({ ttl: 3600, storage: { type: 'memory' } }).define('product', load)
    const dedupeRedis = createCache({
      ttl: 3600,
      storage: { type: 'redis', options: { client: server.client() as never } },
    }).define('product', load)
    const bento = new BentoCache({
      default: 'memory',
      ttl: '1h',
      stores: {
        memory: bentostore().useL1Layer(memoryDriver({ maxItems: 10_000 })),
        redis: bentostore().useL2Layer(redisDriver({ connection: server.client() as never })),
      },
    })
    const bentoRedis = bento.use('redis')
    const ways: Record<string, (key: string) => Promise<unknown>> = {
      'larder, memory': (key) => app.cache.getOrSet(key, () => load(key)),
      'async-cache-dedupe, memory': (key) => dedupe.product(key),
      'bentocache, memory': (key) => bento.getOrSet({ key, factory: () => load(key) }),
      'larder, Redis': (key) => straight.getOrSet(key, () => load(key)),
      'async-cache-dedupe, Redis': (key) => dedupeRedis.product(key),
      'bentocache, Redis': (key) => bentoRedis.getOrSet({ key, factory: () => load(key) }),
    }
    for (const way of Object.values(ways)) for (const key of keys) await way(key)
    for (const key of keys) await app.cache.get(key)
    const raw = server.client()
    for (const key of keys) await raw.set(key, JSON.stringify(map.get(key)))
    const alone = (name: string, one: (key: string) => Promise<unknown>): Contender => ({
      name,
      run: async (times) => {
        for (let i = 0; i < times; i++) await one(keys[i % KEYS] as string)
      },
    })
    const together = (name: string, one: (key: string) => Promise<unknown>): Contender => ({
      name,
      run: async (times) => {
        for (let i = 0; i < times; i += KEYS) await Promise.all(keys.map((key) => one(key)))
      },
    })
    const pick = (where: string, how: typeof alone): Contender[] =>
      Object.entries(ways)
        .filter(([name]) => name.endsWith(where))
        .map(([name, one]) => how(name, one))
    const get = async (key: string): Promise<unknown> => JSON.parse((await raw.get(key)) as string)
    const pipelined = server.client({ enableAutoPipelining: true })
    const getPipelined = async (key: string): Promise<unknown> => JSON.parse((await pipelined.get(key)) as string)
    const rows: Row[] = [
      ...(await compare({
        name: 'memory hit',
        baseline: alone('async Map.get', load),
        contenders: pick('memory', alone),
        goal: 1,
        times: 20_000,
      })),
      ...(await compare({
        name: 'Redis hit, one at a time',
        baseline: alone('GET + JSON.parse', get),
        contenders: pick('Redis', alone),
        goal: 0.9,
        times: 1_000,
      })),
      ...(await compare({
        name: 'Redis hit, 100 at once',
        baseline: together('GET + JSON.parse, auto-pipelined', getPipelined),
        contenders: pick('Redis', together),
        goal: 0.9,
        times: 5_000,
      })),
    ]
    await bento.disconnectAll()
    await app.close()
    await server.stop()
    return rows
  },
}
