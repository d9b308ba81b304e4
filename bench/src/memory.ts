import { makeApp, product } from './apps.js'
import { type Contender, compare, type Row } from './harness.js'
import type { Suite } from './suite.js'

/** So few that the processor's cache holds them, so that the path is measured; then so many that it does not. */
const FEW = 100
const KEYS = 5_000

/** Hits in the memory of the process, beside `Map.get` in an async function. */
export const memory: Suite = {
  name: 'memory',
  run: async () => {
    const app = await makeApp({ redis: false, ttl: '1h', memory: { maxEntries: 20_000, ttl: '1h' } })
    const { cache } = app
    const map = new Map<string, unknown>()
    const keys = Array.from({ length: KEYS }, (_, i) => `product:${i}`)
    const tagged = keys.map((key) => `t:${key}`)
    const load = async (): Promise<unknown> => {
      throw new Error('not cached')
    }
    for (const [i, key] of keys.entries()) {
      map.set(key, product(i))
      await cache.set(key, product(i))
      await cache.set(tagged[i] as string, product(i), { tags: ['products', `category:${i % 40}`] })
      await cache.get(key)
      await cache.get(tagged[i] as string)
    }
    const get = async (key: string): Promise<unknown> => map.get(key)
    const loop = (name: string, names: string[], one: (key: string) => Promise<unknown>, count = FEW): Contender => ({
      name,
      run: async (times) => {
        for (let i = 0; i < times; i++) await one(names[i % count] as string)
      },
    })
    const options = { ttl: '1h', tags: ['products'] }
    const rows: Row[] = await compare({
      name: 'memory hit',
      baseline: loop('async Map.get', keys, get),
      contenders: [
        loop('getOrSet', keys, (key) => cache.getOrSet(key, load)),
        loop('getOrSet, with options', keys, (key) => cache.getOrSet(key, load, options)),
        loop('getOrSet, tagged', tagged, (key) => cache.getOrSet(key, load, options)),
      ],
      goal: 1,
      times: 500_000,
    })
    rows.push(
      ...(await compare({
        name: `memory hit, ${KEYS} keys in turn`,
        baseline: loop('async Map.get', keys, get, KEYS),
        contenders: [loop('getOrSet', keys, (key) => cache.getOrSet(key, load), KEYS)],
        goal: 1,
        times: 500_000,
      })),
    )
    const hundred = keys.slice(0, 100)
    rows.push(
      ...(await compare({
        name: 'getMany of 100 keys from memory',
        baseline: {
          name: '100 Map.get',
          run: async (times) => {
            for (let i = 0; i < times; i++) await Promise.resolve(hundred.map((key) => map.get(key)))
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
        goal: 0.3,
        times: 20_000,
      })),
    )
    await app.close()
    return rows
  },
}
