import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { counter, Gate, type Site } from '../setup.js'

/** How entries are read, and by which keys. */
export function reading(t: Test, site: Site): void {
  t.test('an absent key is loaded once, and later calls are answered without loading', async (t) => {
    const { cache } = await site.open(t)
    const load = counter({ name: 'pear' })
    t.same(await cache.getOrSet('key', load), { name: 'pear' })
    t.same(await cache.getOrSet('key', load), { name: 'pear' })
    t.same(await cache.getOrSet(['key'], load), { name: 'pear' })
    t.equal(load.calls, 1)
  })

  t.test('callers who ask together share one load', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const answers = Array.from({ length: 50 }, () => cache.getOrSet('key', gate.load))
    await gate.begun()
    answers.push(cache.getOrSet('key', gate.load))
    gate.open('value')
    t.strictSame(await Promise.all(answers), new Array(51).fill('value'))
    t.equal(gate.calls, 1)
  })

  t.test('an entry says how it was answered, its age, what is left of it, and its tags', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<number>()
    const options = { ttl: '1m', tags: ['a', 'b', ':odd', '\\odder'] }
    const first = cache.entry('key', gate.load, options)
    await gate.begun()
    const second = cache.entry('key', gate.load, options)
    gate.open(1)
    t.equal((await first).state, 'miss')
    t.ok(['coalesced', ...(site.shared ? ['hit'] : [])].includes((await second).state))
    const hit = await cache.entry('key', gate.load, options)
    t.equal(hit.state, 'hit')
    t.equal(hit.value, 1)
    t.strictSame([...hit.tags].sort(), [':odd', '\\odder', 'a', 'b'])
    t.ok(hit.age >= 0 && hit.age < 10_000, `the age is ${hit.age} ms`)
    t.ok(hit.ttl > 50_000 && hit.ttl <= 60_000, `${hit.ttl} ms are left of a minute`)
    t.ok(Math.abs(hit.createdAt - Date.now()) < 10_000, 'it was created just now')
    t.ok(Math.abs(hit.age + hit.ttl - 60_000) < 5, 'age and rest make the whole')
    t.equal((await cache.entry('key')).state, 'hit', 'also without a loader')
    t.same(await cache.entry('none'), { value: undefined, state: 'miss', age: 0, ttl: 0, tags: [], createdAt: 0 })
  })

  t.test('get, has and peek tell what is there and load nothing', async (t) => {
    const { cache } = await site.open(t)
    t.equal(await cache.get('key'), undefined)
    t.equal(await cache.has('key'), false)
    t.equal(cache.peek('key'), undefined)
    await cache.getOrSet('key', () => 'value')
    t.equal(await cache.get('key'), 'value')
    t.equal(await cache.has('key'), true)
    await pollUntil('a copy', async () => (await cache.get('key')) === cache.peek('key') || !site.memory)
    t.equal(cache.peek('key'), site.memory ? 'value' : undefined)
  })

  t.test('array keys are what their parts are, in any order of properties', async (t) => {
    const { cache } = await site.open(t)
    await cache.set(['product', 42], 'product')
    t.equal(await cache.get('product:42'), 'product', 'numbers and strings read alike, joined by a colon')
    await cache.set(['search', { q: 'tea', page: 2 }], 'search')
    t.equal(await cache.get(['search', { page: 2, q: 'tea' }]), 'search')
    const distinct = [
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['a%3Ab', 'c'],
      ['k', null],
      ['k', 'null'],
      ['k', '~null'],
      ['k', undefined],
      ['k', true],
      ['k', 'true'],
      ['k', ['1']],
      ['k', [1]],
      ['k', {}],
      ['k', { a: 1 }],
      ['k', { a: '1' }],
      ['k', '{}'],
      ['k', ''],
      ['k', 1n],
      ['k', [1n]],
      ['k', new Date(0)],
      ['k', new Date(0).toJSON()],
      ['k', new URL('http://a.example')],
      ['k', new URL('http://b.example')],
    ]
    for (const [i, key] of distinct.entries()) await cache.set(key, i)
    // 1n and '1' read alike, as all numbers do; none of the others is another one's key.
    t.strictSame(
      await cache.getMany(distinct),
      distinct.map((_, i) => i),
    )
  })

  t.test('keys of any length and of any characters lead to their own entry only', async (t) => {
    const { cache } = await site.open(t)
    const long = 'x'.repeat(10 * 1024 * 1024)
    const keys = [
      long,
      `${long}y`,
      'a}b',
      'a%7Db',
      '{a}',
      '}',
      '\0',
      '\0#',
      ' ',
      '\ud800',
      '\ud801',
      '\ufffd',
      'é'.repeat(100),
      'é'.repeat(101),
      '*',
      'line\r\nbreak',
    ]
    for (const [i, key] of keys.entries()) await cache.set(key, i)
    t.strictSame(
      await cache.getMany(keys),
      keys.map((_, i) => i),
    )
    await cache.delete(long)
    t.equal(await cache.get(long), undefined)
    t.equal(await cache.get(`${long}y`), 1)
  })
}
