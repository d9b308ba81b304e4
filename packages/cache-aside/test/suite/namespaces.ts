import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { Gate, type Site } from '../setup.js'

/** Child namespaces. */
export function namespaces(t: Test, site: Site): void {
  t.test('a child namespace has a prefix, defaults and a clear of its own, and so have its children', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('catalogue', { ttl: '1h' })
    const grandchild = child.namespace('prices', { staleWhileRevalidate: '1m' })
    for (const [i, one] of [cache, child, grandchild].entries()) await one.set('key', i)
    t.strictSame(await Promise.all([cache, child, grandchild].map((one) => one.get('key'))), [0, 1, 2])
    t.ok((await child.entry('key')).ttl > 3_500_000)
    t.ok((await grandchild.entry('key')).ttl > 3_500_000, 'defaults are inherited')
    t.equal(await cache.get('catalogue:key'), 1, 'the prefix is a part of the key')
    t.equal(await cache.get(['catalogue', 'prices', 'key']), 2)
    await grandchild.clear()
    t.strictSame(await Promise.all([cache, child, grandchild].map((one) => one.get('key'))), [0, 1, undefined])
    await grandchild.set('key', 2)
    await child.clear()
    t.strictSame(await Promise.all([cache, child, grandchild].map((one) => one.get('key'))), [0, undefined, undefined])
    await child.set('key', 1)
    await cache.clear()
    t.strictSame(await Promise.all([cache, child].map((one) => one.get('key'))), [undefined, undefined])
  })

  t.test('a child’s clear also empties what was stored under its prefix by its parent (G1)', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('catalogue')
    // From now on the child knows when it was last cleared; what was stored before is nothing to it.
    await child.set('other', 1)
    await cache.set('catalogue:key', 'by the root')
    await pollUntil(
      'a copy',
      async () => (await cache.get('catalogue:key')) === cache.peek('catalogue:key') || !site.memory,
    )
    t.equal(await child.get('key'), 'by the root')
    await child.clear()
    t.equal(child.peek('key'), undefined)
    t.equal(await child.get('key'), undefined)
    t.strictSame(await child.getMany(['key']), [undefined])
    t.equal(await child.getOrSet('key', () => 'new'), 'new')
    t.equal(await child.get('key'), 'new')
    t.equal(await cache.get('catalogue:key'), 'new', 'of two parents’ values there is one')
  })

  t.test('a parent sees a child’s entry no longer once the child was cleared', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('catalogue')
    await child.set('key', 'value')
    t.equal(await cache.get('catalogue:key'), 'value')
    await child.clear()
    t.equal(await cache.get('catalogue:key'), undefined)
  })

  t.test('the same child made twice is one, and deletePattern keeps to its prefix', async (t) => {
    const { cache } = await site.open(t)
    const [one, two] = [cache.namespace('a'), cache.namespace('a')]
    const similar = cache.namespace('aa')
    for (const each of [one, similar, cache]) await each.set('key', 'value')
    t.equal(await two.get('key'), 'value')
    t.equal(await two.deletePattern('*'), 1)
    t.strictSame(await Promise.all([one, similar, cache].map((each) => each.get('key'))), [undefined, 'value', 'value'])
    await one.set('x'.repeat(500), 'long')
    t.equal(await two.get('x'.repeat(500)), 'long')
    t.equal(await similar.get('x'.repeat(500)), undefined)
    await one.set('key', 1)
    t.equal(await cache.deletePattern('a:k*'), 1, 'the parent’s pattern reaches the child')
    t.equal(await one.get('key'), undefined)
  })

  t.test('a child’s clear during a load: the old value is stored nowhere (G1)', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('child')
    const gate = new Gate<string>()
    const before = child.getOrSet('key', gate.load)
    await gate.begun()
    await child.clear()
    const late = child.getOrSet('key', () => 'new')
    gate.open('old')
    t.equal(await before, 'old')
    t.equal(await late, 'new')
    t.equal(await child.get('key'), 'new')
  })
}
