import type { Test } from 'tap'
import { codeOf, Gate, type Site } from '../setup.js'

/** `getMany`. */
export function many(t: Test, site: Site): void {
  t.test(
    'getMany answers in the order of the keys, duplicates too, and loads the missing ones by one call',
    async (t) => {
      const { cache } = await site.open(t)
      await cache.set('b', 'cached b')
      const asked: unknown[] = []
      const load = (keys: unknown[]): string[] => {
        asked.push(keys)
        return keys.map((key) => `loaded ${key}`)
      }
      t.strictSame(await cache.getMany(['a', 'b', 'a', ['c', 1], 'b'], load), [
        'loaded a',
        'cached b',
        'loaded a',
        'loaded c,1',
        'cached b',
      ])
      t.strictSame(asked, [['a', ['c', 1]]])
      t.strictSame(await cache.getMany(['c:1', 'a', 'b'], load), ['loaded c,1', 'loaded a', 'cached b'])
      t.equal(asked.length, 1)
      t.strictSame(await cache.getMany([], load), [])
    },
  )

  t.test('getMany without a loader answers undefined where there is nothing', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('a', 0)
    await cache.set('n', null)
    const values = await cache.getMany(['a', 'b', 'n', 'b'])
    t.strictSame(values, [0, undefined, null, undefined])
    t.equal(Object.keys(values).length, 4, 'no holes')
  })

  t.test('getMany of 500 keys loads those that are missing, whatever slot they are in', async (t) => {
    const { cache } = await site.open(t)
    const keys = Array.from({ length: 500 }, (_, i) => ['item', i])
    for (let i = 0; i < 500; i += 50) await cache.set(['item', i], i)
    const sizes: number[] = []
    const load = (missing: unknown[]): number[] => {
      sizes.push(missing.length)
      return missing.map((key) => (key as number[])[1] as number)
    }
    const all = keys.map((_, i) => i)
    t.strictSame(await cache.getMany(keys, load), all)
    t.strictSame(sizes, [490])
    t.strictSame(await cache.getMany(keys, load), all)
    t.strictSame(sizes, [490])
  })

  t.test('getMany joins the loads under way, and getOrSet those of getMany', async (t) => {
    const { cache } = await site.open(t)
    const [single, batch] = [new Gate<string>(), new Gate<string[]>()]
    const one = cache.getOrSet('a', single.load)
    await single.begun()
    const asked: unknown[] = []
    const both = cache.getMany<string>(['a', 'b'], (keys) => {
      asked.push(...keys)
      return batch.load()
    })
    await batch.begun()
    const late = cache.getOrSet('b', () => 'loaded twice')
    single.open('A')
    batch.open(['B'])
    t.strictSame(await both, ['A', 'B'])
    t.equal(await one, 'A')
    t.equal(await late, 'B')
    t.strictSame(asked, ['b'])
  })

  t.test('two getMany with crossed keys load what they were granted before they wait (G2)', async (t) => {
    const { cache, namespace } = await site.open(t)
    const other = site.shared ? (await site.open(t, { namespace })).cache : cache
    const loads = new Map<unknown, number>()
    const load = async (keys: unknown[]): Promise<unknown[]> => {
      for (const key of keys) loads.set(key, (loads.get(key) ?? 0) + 1)
      return keys
    }
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
    const [there, back] = await Promise.all([cache.getMany(keys, load), other.getMany([...keys].reverse(), load)])
    t.strictSame(there, keys)
    t.strictSame(back, [...keys].reverse())
    t.strictSame([...loads.values()], new Array(20).fill(1), 'each key was loaded once')
  })

  t.test('a failing batch loader rejects getMany with its error, and nothing is cached (G6)', async (t) => {
    const { cache } = await site.open(t)
    const error = new Error('no database')
    let calls = 0
    const fail = (): never => {
      calls++
      throw error
    }
    await t.rejects(cache.getMany(['a', 'b'], fail), error)
    t.equal(calls, 1)
    t.strictSame(await cache.getMany(['a', 'b'], (keys) => keys), ['a', 'b'])
  })

  t.test('a batch loader that answers with something else than a value for each key is a coded error', async (t) => {
    const { cache } = await site.open(t)
    for (const answer of [['a'], ['a', 'b', 'c'], undefined, { a: 1 }, 'ab']) {
      t.equal(await codeOf(cache.getMany(['a', 'b'], () => answer as never)), 'LARDER_CACHE_LOAD_MANY')
    }
    t.strictSame(await cache.getMany(['a', 'b']), [undefined, undefined])
  })

  t.test('getMany takes the options of a call', async (t) => {
    const { cache } = await site.open(t)
    await cache.getMany(['a', 'b'], (keys) => keys, { ttl: '1h', tags: (value) => [`tag ${value}`] })
    const entry = await cache.entry('b')
    t.ok(entry.ttl > 3_500_000)
    t.strictSame(entry.tags, ['tag b'])
    t.strictSame(await cache.getMany(['a', 'b'], (keys) => keys.map(() => 'forced'), { force: true }), [
      'forced',
      'forced',
    ])
    const reason = new Error('gone')
    await t.rejects(
      cache.getMany(['a'], () => ['a'], { signal: AbortSignal.abort(reason) }),
      reason,
    )
  })
}
