import type { Cache } from '@larder/cache-aside'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { Gate, type Site } from '../setup.js'

/** `delete`, `expire`, `deletePattern`, `clear`. */
export function removing(t: Test, site: Site): void {
  t.test('delete empties entries, any number of them, also those that are not there', async (t) => {
    const { cache } = await site.open(t)
    for (const key of ['a', 'b', 'c']) await cache.set(key, key)
    await cache.delete('a', ['b'], 'nothing')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), [undefined, undefined, 'c'])
    t.equal(cache.peek('a'), undefined)
    await cache.delete()
  })

  t.test('expire makes an entry stale: it is served while one caller loads it anew', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old')
    await cache.expire('key', 'nothing')
    const gate = new Gate<string>()
    const entry = await cache.entry('key', gate.load)
    t.equal(entry.state, 'stale')
    t.equal(entry.value, 'old')
    t.ok(entry.ttl < 0)
    await gate.begun()
    t.equal(await cache.getOrSet('key', gate.load), 'old')
    gate.open('new')
    await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
    t.equal(gate.calls, 1)
    t.equal((await cache.entry('key')).state, 'hit')
    t.equal(await cache.has('nothing'), false)
  })

  t.test('deletePattern empties what matches: * is anything, ? one character, everything else itself', async (t) => {
    const { cache } = await site.open(t)
    const cases: [pattern: string, gone: string[], kept: string[]][] = [
      [
        'user:1:*',
        ['user:1:', 'user:1:a', 'user:1:a:b', 'user:1:}{'],
        ['user:10:a', 'user:1', 'xuser:1:a', 'user:11:'],
      ],
      ['id?', ['id1', 'idé', 'id🐎', 'id}', 'id%', 'id\n'], ['id', 'id12', 'id%7D']],
      ['[ab]^\\.+$|(x)*', ['[ab]^\\.+$|(x)', '[ab]^\\.+$|(x)y'], ['a', 'b^\\.+$|(x)', '[ab]^\\.+$|x']],
      ['a%7D*', ['a%7D', 'a%7D}'], ['a}', 'a}}']],
      ['*middle*', ['middle', 'in the middle of it'], ['midle', 'Middle']],
      ['plain', ['plain'], ['plain:1', 'plains']],
    ]
    for (const [pattern, gone, kept] of cases) {
      for (const key of [...gone, ...kept]) await cache.set(key, key)
      t.equal(await cache.deletePattern(pattern), gone.length, `${pattern} says how many it emptied`)
      t.strictSame(
        await cache.getMany(gone),
        gone.map(() => undefined),
        `${pattern} empties what matches`,
      )
      t.strictSame(await cache.getMany(kept), kept, `${pattern} leaves what does not`)
      await cache.delete(...kept)
    }
    t.equal(await cache.deletePattern('nothing*'), 0)
    for (const bad of ['', undefined, null, 42, ['user', '*']]) {
      await t.rejects(cache.deletePattern(bad as never), { code: 'LARDER_INVALID_OPTION', message: /`pattern`/ })
    }
  })

  t.test('deletePattern empties more entries than one SCAN finds, on every master', async (t) => {
    const { cache } = await site.open(t)
    const keys = Array.from({ length: 1_200 }, (_, i) => `user:42:${i}`)
    await cache.getMany(keys, () => keys)
    await cache.set('user:43:1', 'kept')
    t.equal(await cache.deletePattern('user:42:*'), 1_200)
    t.ok((await cache.getMany(keys)).every((value) => value === undefined))
    t.equal(await cache.get('user:43:1'), 'kept')
  })

  t.test('a pattern with many stars is matched in time', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('a'.repeat(190), 1)
    t.equal(await cache.deletePattern(`${'*a'.repeat(40)}b`), 0)
    t.equal(await cache.deletePattern('*a'.repeat(40)), 1)
  })

  t.test('clear empties everything of this namespace in all versions, and nothing of another one', async (t) => {
    const { cache, namespace } = await site.open(t)
    const foreign = await site.open(t)
    const versioned = site.shared ? (await site.open(t, { namespace, version: 'v2' })).cache : cache
    const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`)
    await cache.getMany(keys, () => keys)
    await cache.set('x'.repeat(1000), 'long')
    await versioned.set('versioned', 1)
    await foreign.cache.set('key 1', 'kept')
    await cache.clear()
    t.ok((await cache.getMany([...keys, 'x'.repeat(1000)])).every((value) => value === undefined))
    await pollUntil('the other version to hear of it', async () => (await versioned.get('versioned')) === undefined)
    t.equal(await foreign.cache.get('key 1'), 'kept')
    t.equal(await cache.getOrSet('key 1', () => 'new'), 'new', 'it can be filled again')
    t.equal(await cache.get('key 1'), 'new')
  })

  for (const [what, change] of [
    ['delete', (cache: Cache) => cache.delete('key')],
    ['deletePattern', (cache: Cache) => cache.deletePattern('ke?')],
    ['clear', (cache: Cache) => cache.clear()],
    ['expire', (cache: Cache) => cache.expire('key')],
    ['set', (cache: Cache) => cache.set('key', 'set')],
  ] as const) {
    t.test(`a ${what} during a load: the old value goes to its callers only, and into no cache (G1)`, async (t) => {
      const { cache } = await site.open(t)
      const [old, fresh] = [new Gate<string>(), new Gate<string>()]
      const before = cache.getOrSet('key', old.load)
      await old.begun()
      await change(cache)
      const late = cache.getOrSet('key', fresh.load)
      // After a clear the old load still has the lease of its key, and is waited for.
      if (what === 'clear') old.open('old')
      if (what !== 'set') {
        await fresh.begun()
        fresh.open('new')
      }
      t.equal(await late, what === 'set' ? 'set' : 'new', 'a later caller does not get it')
      if (what !== 'clear') old.open('old')
      t.equal(await before, 'old', 'who asked before does')
      t.equal(await cache.get('key'), what === 'set' ? 'set' : 'new')
    })

    t.test(`a ${what} while a load's value is on its way is not outlived by it (G1)`, async (t) => {
      const { cache } = await site.open(t)
      const old = new Gate<string>()
      const before = cache.getOrSet('key', old.load)
      await old.begun()
      old.open('old')
      const changed = change(cache)
      await Promise.all([before, changed])
      t.not(await cache.get('key'), what === 'expire' ? 'never' : 'old')
      if (what === 'expire') t.not((await cache.entry('key')).state, 'hit')
    })
  }

  t.test('a delete during the background refresh of a stale entry: it is stored nowhere (G1)', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'stale')
    await cache.expire('key')
    const gate = new Gate<string>()
    t.equal(await cache.getOrSet('key', gate.load), 'stale')
    await gate.begun()
    await cache.delete('key')
    t.equal(await cache.get('key'), undefined)
    gate.open('old')
    t.equal(await cache.getOrSet('key', () => 'new'), 'new')
    t.equal(await cache.get('key'), 'new')
  })
}
