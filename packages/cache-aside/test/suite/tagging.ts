import type { Test } from 'tap'
import { Gate, type Site } from '../setup.js'

/** Tags. */
export function tagging(t: Test, site: Site): void {
  t.test('the invalidation of a tag during a load: the old value is stored nowhere (G1)', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    for (const options of [{ tags: ['tag'] }, { tags: (value: string) => (value ? ['tag'] : []) }]) {
      const gate = new Gate<string>()
      const before = cache.getOrSet('key', gate.load, options)
      await gate.begun()
      await invalidateTags('tag')
      const late = cache.getOrSet('key', () => 'new', options)
      gate.open('old')
      t.equal(await before, 'old')
      t.equal(await late, 'new')
      t.equal(await cache.get('key'), 'new')
      await cache.delete('key')
    }
  })

  t.test('an invalidated tag empties the entries that bear it, hits included, and no others', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    await cache.set('a', 'a', { tags: ['one', 'both'] })
    await cache.set('b', 'b', { tags: ['two', 'both'] })
    await cache.set('c', 'c')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), ['a', 'b', 'c'])
    await invalidateTags('one')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), [undefined, 'b', 'c'])
    await invalidateTags('both')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), [undefined, undefined, 'c'])
    t.equal(cache.peek('b'), undefined)
  })

  t.test('a tag may be of any length and any characters', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    const names = ['x'.repeat(10_000), ':', ':child', '\\', '\\:', 'a}b{', 'é'.repeat(150), '\ud800', '\ud801', ' \n']
    for (const name of names) await cache.set(['of', name], name, { tags: [name] })
    for (const [i, name] of names.entries()) {
      await invalidateTags(name)
      const left = names.map((other) => ['of', other])
      const values = await cache.getMany(left)
      t.equal(values.filter((value) => value !== undefined).length, names.length - i - 1)
    }
  })

  t.test('a tag that is called as a child namespace is another thing', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    const child = cache.namespace('child')
    await child.set('key', 1)
    await invalidateTags('child', ':child')
    t.equal(await child.get('key'), 1)
  })
}
