import { pollUntil } from '@larder/test-redis'
import t from 'tap'
import { Gate, kept, onEachSite } from './setup.js'

/* What an invalidation does, wherever a cache keeps its entries. */

await onEachSite(t, (t, site) => {
  t.test('entries of an invalidated tag are gone at once, and no others', async (t) => {
    const { cache, tags } = await site.open(t)
    await cache.set('tea', 1, { tags: ['products', 'category:1'] })
    await cache.set('pot', 2, { tags: ['products', 'category:2'] })
    await cache.set('cart', 3)
    for (const key of ['tea', 'pot', 'cart']) await kept(site, cache, key)
    await tags.invalidate('category:1')
    t.equal(cache.peek('tea'), undefined)
    t.strictSame(await cache.getMany(['tea', 'pot', 'cart']), [undefined, 2, 3])
    await tags.invalidate('products')
    t.strictSame(await cache.getMany(['tea', 'pot', 'cart']), [undefined, undefined, 3])
    t.equal(await cache.getOrSet('tea', () => 4, { tags: ['products'] }), 4)
    t.equal(await cache.get('tea'), 4, 'and what is loaded afterwards stays')
  })

  t.test('soft: entries are served stale while one caller loads them anew', async (t) => {
    const { cache, tags } = await site.open(t)
    await cache.set('key', 'old', { tags: ['tag'], staleWhileRevalidate: '1m' })
    await kept(site, cache, 'key')
    await tags.invalidate('tag', { soft: true })
    const gate = new Gate<string>()
    const options = { tags: ['tag'] }
    const stale = await cache.entry('key', gate.load, options)
    t.match(stale, { value: 'old', state: 'stale' })
    t.equal(await cache.getOrSet('key', gate.load, options), 'old')
    await gate.begun()
    gate.open('new')
    await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
    t.equal(gate.calls, 1)
    t.equal((await cache.entry('key', gate.load, options)).state, 'hit')
    await tags.invalidate('tag', { soft: true })
    await tags.invalidate('tag')
    t.equal(await cache.get('key'), undefined, 'hard outweighs soft')
    await cache.set('key', 'again', options)
    await tags.invalidate('tag')
    await tags.invalidate('tag', { soft: true })
    t.equal(await cache.get('key'), undefined, 'in any order')
  })

  t.test('several tags are one act: who saw one of them invalidated sees all of them so', async (t) => {
    const one = await site.open(t)
    const two = site.shared ? await site.open(t, { namespace: one.namespace }) : one
    for (let round = 0; round < 20; round++) {
      await one.cache.set('a', round, { tags: ['one'] })
      await one.cache.set('b', round, { tags: ['two'] })
      const watch = async ({ cache }: typeof one) => {
        // Hits alone would not let the news in.
        while ((await cache.get('a')) !== undefined) await new Promise(setImmediate)
        t.equal(await cache.get('b'), undefined)
      }
      const watching = Promise.all([watch(one), watch(two)])
      await one.tags.invalidate('one', 'two', 'two', 'three')
      await watching
    }
  })

  t.test('it tells when a tag was last invalidated by anyone, and how often here', async (t) => {
    const { cache, tags } = await site.open(t)
    t.strictSame(await tags.tag('tag'), { invalidatedAt: undefined, invalidations: 0 })
    await cache.set('key', 1, { tags: ['tag'] })
    t.strictSame(await tags.tag('tag'), { invalidatedAt: undefined, invalidations: 0 })
    const before = Date.now()
    await tags.invalidate('tag')
    await tags.invalidate('tag', { soft: true })
    await tags.invalidate('other')
    const { invalidatedAt, invalidations } = await tags.tag('tag')
    t.equal(invalidations, 2)
    t.ok(invalidatedAt && invalidatedAt >= before - 50 && invalidatedAt <= Date.now() + 50)
    t.strictSame(await tags.tag('other'), { invalidatedAt: undefined, invalidations: 1 }, 'no entry ever bore it')
  })

  t.test('a tag reaches the child namespaces, a clear its own children only', async (t) => {
    const { cache, tags } = await site.open(t)
    const shop = cache.namespace('shop')
    const sale = shop.namespace('sale')
    const blog = cache.namespace('blog')
    const all = [cache, shop, sale, blog]
    const fill = () => Promise.all(all.map((one, i) => one.set('key', i, { tags: ['tag', `only:${i}`] })))
    const read = () => Promise.all(all.map((one) => one.get('key')))
    await fill()
    await tags.invalidate('tag')
    t.strictSame(await read(), [undefined, undefined, undefined, undefined])
    await fill()
    await tags.invalidate('only:2')
    t.strictSame(await read(), [0, 1, undefined, 3])
    await fill()
    await shop.clear()
    t.strictSame(await read(), [0, undefined, undefined, 3])
    await fill()
    await cache.clear()
    t.strictSame(await read(), [undefined, undefined, undefined, undefined])
    await tags.invalidate('shop', ':shop', ':')
    await fill()
    await tags.invalidate('shop', ':shop', ':', 'blog')
    t.strictSame(await read(), [0, 1, 2, 3], 'a tag of the same name is another thing')
  })
})
