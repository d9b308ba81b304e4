import type { Cache } from '@larder/cache-aside'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { counter, Gate, type Site } from '../setup.js'

/** `set` and `writeThrough`. */
export function writing(t: Test, site: Site): void {
  t.test('set replaces what was there, and lives for its own ttl', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 1)
    t.equal(await cache.get('key'), 1)
    await cache.set('key', 2, { ttl: '1h', tags: ['tag'] })
    const entry = await cache.entry('key')
    t.equal(entry.value, 2)
    t.ok(entry.ttl > 3_500_000 && entry.ttl <= 3_600_000)
    t.strictSame(entry.tags, ['tag'])
    await cache.set('key', 3, { ttl: 10 })
    await pollUntil('its end', async () => !(await cache.has('key')))
    t.equal(cache.peek('key'), undefined)
  })

  t.test('writeThrough writes to the database first, and the cache has what it returned', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old')
    const gate = new Gate<string>()
    const written = cache.writeThrough('key', gate.load)
    await gate.begun()
    const load = counter('loaded')
    const reader = cache.getOrSet('key', load)
    gate.open('new')
    t.equal(await written, 'new')
    t.equal(await reader, 'new', 'a reader waits for the write as for a load')
    t.equal(await cache.get('key'), 'new')
    t.equal(load.calls, 0)
    await cache.writeThrough('key', ({ addTags, setTtl, signal }) => {
      addTags('tag')
      setTtl('1h')
      return `${signal.aborted}`
    })
    const entry = await cache.entry('key')
    t.equal(entry.value, 'false')
    t.strictSame(entry.tags, ['tag'])
    t.ok(entry.ttl > 3_500_000)
    await cache.writeThrough('key', ({ skip }) => skip())
    t.equal(await cache.has('key'), false, 'a write may decline to be cached')
  })

  t.test('a failed writeThrough rejects with its error and leaves the key empty', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old')
    const error = new Error('the database says no')
    await t.rejects(
      cache.writeThrough('key', () => Promise.reject(error)),
      error,
    )
    t.equal(await cache.get('key'), undefined)
    await cache.set('key', 'old')
    await t.rejects(
      cache.writeThrough('key', () => {
        throw error
      }),
      error,
    )
    t.equal(await cache.get('key'), undefined)
  })

  // The database does A then B or B then A; the commits end in either order. Whatever is kept must not be the loser.
  for (const order of ['the first', 'the second'] as const) {
    t.test(`of two overlapping write-throughs neither leaves its value when ${order} ends first (G4)`, async (t) => {
      const { cache, namespace } = await site.open(t)
      const other = site.shared ? (await site.open(t, { namespace })).cache : cache
      const [a, b] = [new Gate<string>(), new Gate<string>()]
      const first = cache.writeThrough('key', a.load)
      await a.begun()
      const second = other.writeThrough('key', b.load)
      await b.begun()
      if (order === 'the first') {
        a.open('A')
        t.equal(await first, 'A')
        b.open('B')
        t.equal(await second, 'B')
      } else {
        b.open('B')
        t.equal(await second, 'B')
        a.open('A')
        t.equal(await first, 'A')
      }
      // In this process at once; in the other one as soon as its feed told it.
      await pollUntil('both to see none', async () => !(await cache.has('key')) && !(await other.has('key')))
      t.equal(await cache.getOrSet('key', () => 'what the database has'), 'what the database has')
    })
  }

  t.test('of three overlapping write-throughs none leaves its value, and a later one does (G4)', async (t) => {
    const { cache } = await site.open(t)
    const gates = Array.from({ length: 3 }, () => new Gate<number>())
    const writes: Promise<number>[] = []
    for (const gate of gates) {
      writes.push(cache.writeThrough('key', gate.load))
      await gate.begun()
    }
    for (const i of [1, 0, 2]) gates[i]?.open(i)
    await Promise.all(writes)
    t.equal(await cache.get('key'), undefined)
    await cache.writeThrough('key', () => 4)
    t.equal(await cache.get('key'), 4)
  })

  for (const [what, change] of [
    ['delete', (cache: Cache) => cache.delete('key')],
    ['set', (cache: Cache) => cache.set('key', 'set')],
    ['clear', (cache: Cache) => cache.clear()],
    ['deletePattern', (cache: Cache) => cache.deletePattern('k*')],
    ['expire', (cache: Cache) => cache.expire('key')],
  ] as const) {
    t.test(`a ${what} during a write-through leaves the key empty (G4)`, async (t) => {
      const { cache } = await site.open(t)
      const gate = new Gate<string>()
      const writing = cache.writeThrough('key', gate.load)
      await gate.begun()
      await change(cache)
      gate.open('written')
      t.equal(await writing, 'written')
      t.equal(await cache.get('key'), undefined)
    })
  }

  t.test('a load that began before a write-through is kept nowhere (G4)', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const reader = cache.getOrSet('key', gate.load)
    await gate.begun()
    t.equal(await cache.writeThrough('key', () => 'new'), 'new')
    gate.open('old')
    t.equal(await reader, 'old', 'its caller asked before')
    t.equal(await cache.get('key'), 'new')
  })
}
