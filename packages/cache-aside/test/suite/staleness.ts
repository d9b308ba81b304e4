import type { Cache, Entry } from '@larder/cache-aside'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { counter, Gate, type Site } from '../setup.js'

/** What is served after its ttl, and before. */
export function staleness(t: Test, site: Site): void {
  /** An entry that has just become older than its ttl. */
  const outlived = async (cache: Cache, options: { staleWhileRevalidate?: string; staleIfError?: string }) => {
    await cache.set('key', 'old', { ttl: 20, ...options })
    await pollUntil('the end of its ttl', async () => {
      const entry: Entry<unknown> = await cache.entry('key')
      return entry.state !== 'hit'
    })
  }

  t.test('staleWhileRevalidate serves the old value after its ttl while one load runs in the background', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, { staleWhileRevalidate: '1m' })
    const gate = new Gate<string>()
    for (let i = 0; i < 5; i++) {
      const entry = await cache.entry('key', gate.load)
      t.equal(entry.state, 'stale')
      t.equal(entry.value, 'old')
    }
    await gate.begun()
    gate.open('new')
    await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
    t.equal(gate.calls, 1)
  })

  t.test('what is left of a stale entry is negative, -1 when it was made stale', async (t) => {
    const { cache, expireTags } = await site.open(t)
    const options = { ttl: '1m', staleWhileRevalidate: '1m', tags: ['tag'] }
    await cache.set('key', 1, options)
    await cache.expire('key')
    t.match(await cache.entry('key'), { state: 'stale', ttl: -1 })
    await cache.set('key', 1, options)
    await expireTags('tag')
    t.match(await cache.entry('key'), { state: 'stale', ttl: -1 })
    await outlived(cache, { staleWhileRevalidate: '1m' })
    t.ok((await cache.entry('key')).ttl < 0)
  })

  t.test('by default nothing is served after its ttl', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, {})
    t.equal(await cache.get('key'), undefined)
    t.equal(cache.peek('key'), undefined)
    await t.rejects(
      cache.getOrSet('key', () => Promise.reject(new Error('no database'))),
      { message: 'no database' },
    )
  })

  t.test('a failing refresh in the background goes on serving the old value, and is tried again', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, { staleWhileRevalidate: '1m' })
    let calls = 0
    const fail = (): Promise<string> => {
      calls++
      return Promise.reject(new Error('no database'))
    }
    await pollUntil('another try', async () => {
      t.equal(await cache.getOrSet('key', fail), 'old')
      return calls >= 2
    })
    await pollUntil('the new value', async () => (await cache.getOrSet('key', () => 'new')) === 'new')
  })

  t.test('staleIfError serves the old value when loading fails, and only then (G6)', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, { staleIfError: '1m' })
    t.equal(await cache.get('key'), undefined, 'it is not served without need')
    t.equal(cache.peek('key'), undefined)
    const gate = new Gate<string>()
    const answers = Array.from({ length: 5 }, () => cache.entry('key', gate.load))
    await gate.begun()
    gate.fail(new Error('no database'))
    for (const answer of answers) {
      const entry = await answer
      t.equal(entry.value, 'old')
      t.equal(entry.state, 'stale')
    }
    t.equal(gate.calls, 1)
    t.strictSame(await cache.getMany(['key'], () => Promise.reject(new Error('no database'))), ['old'])
    const fresh = await cache.entry('key', () => 'new')
    t.equal(fresh.value, 'new')
    t.equal(await cache.get('key'), 'new')
  })

  t.test(
    'eager refreshes before the end, in the background (XFetch); by default nothing is refreshed early',
    async (t) => {
      const { cache } = await site.open(t)
      const slow = async (): Promise<string> => {
        await pollUntil('a load that takes time', () => performance.now() > started + 15)
        return 'old'
      }
      let started = performance.now()
      await cache.getOrSet('key', slow, { ttl: '1m', eager: 1e9 })
      const refreshed = new Gate<string>()
      t.equal(await cache.getOrSet('key', refreshed.load, { eager: false }), 'old')
      t.equal(refreshed.calls, 0)
      const entry = await cache.entry('key', refreshed.load, { eager: 1e9 })
      t.equal(entry.state, 'hit')
      t.equal(entry.value, 'old')
      await refreshed.begun()
      refreshed.open('new')
      await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
      const child = cache.namespace('child', { eager: 1e9, ttl: '1m' })
      started = performance.now()
      const load = counter('again')
      await child.getOrSet('key', slow)
      await pollUntil('a refresh by the default of a child', async () => {
        await child.getOrSet('key', load)
        return load.calls > 0
      })
    },
  )

  t.test('jitter shortens the ttl at random by up to its share; by default the ttl is exact', async (t) => {
    const { cache } = await site.open(t)
    const ttlOf = async (options: object, i: number): Promise<number> => {
      await cache.set(['key', i], 1, { ttl: 1_000_000, ...options })
      const entry = await cache.entry(['key', i])
      return entry.ttl + entry.age
    }
    const jittered: number[] = []
    for (let i = 0; i < 40; i++) jittered.push(await ttlOf({ jitter: 0.5 }, i))
    t.ok(Math.min(...jittered) >= 499_999 && Math.max(...jittered) <= 1_000_001)
    t.ok(Math.max(...jittered) - Math.min(...jittered) > 100_000, 'they are spread')
    t.ok(Math.abs((await ttlOf({}, 41)) - 1_000_000) < 5)
  })
}
