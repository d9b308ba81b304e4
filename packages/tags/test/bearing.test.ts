import cacheAside from '@larder/cache-aside'
import tagsPlugin from '@larder/tags'
import { pollUntil } from '@larder/test-redis'
import fastify from 'fastify'
import t from 'tap'
import { codeOf, named, onEachSite } from './setup.js'

/* How entries come to their tags, and what a tag may be, wherever a cache keeps its entries. */

await onEachSite(t, (t, site) => {
  t.test('entries bear tags however they were made', async (t) => {
    const { cache, tags } = await site.open(t)
    const options = { tags: ['tag'] }
    const computed = { tags: (value: { id: number }) => [`item:${value.id}`] }
    const item = cache.wrap('item', async (id: number) => ({ id }), {
      tags: (value, [id]) => ['tag', `item:${value.id}`, `argument:${id}`],
    })
    const made: [name: string, tag: string, make: () => Promise<unknown>, read: () => Promise<unknown>][] = [
      ['getOrSet', 'tag', () => cache.getOrSet('a', () => 1, options), () => cache.get('a')],
      ['a function', 'item:5', () => cache.getOrSet('b', () => ({ id: 5 }), computed), () => cache.get('b')],
      [
        'addTags',
        'later',
        () =>
          cache.getOrSet('c', (context) => {
            context.addTags('later', 'much later')
            return 1
          }),
        () => cache.get('c'),
      ],
      ['set', 'tag', () => cache.set('d', 1, options), () => cache.get('d')],
      ['set, computed', 'item:6', () => cache.set('e', { id: 6 }, computed), () => cache.get('e')],
      ['writeThrough', 'tag', () => cache.writeThrough('f', () => 1, options), () => cache.get('f')],
      ['getMany', 'tag', () => cache.getMany(['g', 'h'], () => [1, 2], options), () => cache.get('h')],
      ['wrap', 'item:7', () => item(7), () => cache.get(item.key(7))],
      ['wrap, by argument', 'argument:8', () => item(8), () => cache.get(item.key(8))],
      ['wrap.many', 'argument:9', () => item.many([[9], [10]]), () => cache.get(item.key(9))],
      ['wrap.refresh', 'item:11', () => item.refresh(11), () => cache.get(item.key(11))],
    ]
    for (const [name, tag, make, read] of made) {
      await make()
      t.not(await read(), undefined, name)
      await tags.invalidate(tag)
      t.equal(await read(), undefined, name)
    }
  })

  t.test('an entry tells its tags, and may bear many of any kind', async (t) => {
    const { cache, tags } = await site.open(t)
    const names = [
      ':',
      ':a',
      '\\',
      'a}b{c',
      'žluť',
      ' ',
      'x'.repeat(150),
      ...Array.from({ length: 100 }, (_, i) => `n${i}`),
    ]
    await cache.set('key', 1, { tags: names })
    t.strictSame([...(await cache.entry('key')).tags].sort(), [...names].sort())
    for (const name of [...names, 'x'.repeat(10_000), '\ud800']) {
      await cache.set('key', 1, { tags: [...names, 'x'.repeat(10_000), '\ud800'] })
      await tags.invalidate(name)
      t.equal(await cache.get('key'), undefined, JSON.stringify(name.slice(0, 20)))
    }
  })

  t.test('what is no tag is refused, and then nothing is invalidated', async (t) => {
    const { cache, tags } = await site.open(t)
    await cache.set('key', 1, { tags: ['tag'] })
    const invalidate = tags.invalidate.bind(tags) as unknown as (...args: unknown[]) => Promise<void>
    for (const bad of ['', 1, undefined, Symbol('s')])
      t.equal(await codeOf(invalidate('tag', bad)), 'LARDER_INVALID_KEY', String(bad))
    for (const bad of [{ soft: 'yes' }, { hard: true }, null])
      t.equal(await codeOf(invalidate('tag', bad)), 'LARDER_INVALID_OPTION', JSON.stringify(bad))
    t.equal(await codeOf(tags.tag('')), 'LARDER_INVALID_KEY')
    t.equal(await cache.get('key'), 1)
    await invalidate()
    t.equal(await cache.get('key'), 1, 'no tag, nothing to do')
    for (const bad of [[''], 'tag', [1]])
      t.equal(await codeOf(cache.getOrSet('k', () => 1, { tags: bad as never })), 'LARDER_INVALID_OPTION')
    t.equal(await codeOf(cache.getOrSet('k', () => 1, { tags: () => [''] })), 'LARDER_INVALID_KEY')
  })

  t.test('another version, and another schema, find none of the old entries; tags reach all of them', async (t) => {
    const one = await site.open(t, { version: 'v1' })
    const { namespace } = one
    // In memory two versions are two caches of one application.
    const two = site.shared
      ? await site.open(t, { namespace, version: 'v2' })
      : await (async () => {
          const app = fastify()
          t.teardown(() => app.close())
          await app.register(tagsPlugin, { redis: false })
          await app.register(cacheAside, { redis: false, version: 'v1', namespace })
          await app.register(cacheAside, { redis: false, version: 'v2', namespace, name: 'two' })
          await app.ready()
          Object.assign(one, { cache: app.cache, tags: app.tags })
          return { cache: named(app).cache.two as typeof one.cache, tags: app.tags }
        })()
    await one.cache.set('key', 'first', { tags: ['tag'] })
    t.equal(await two.cache.get('key'), undefined)
    await two.cache.set('key', 'second', { tags: ['tag'] })
    t.strictSame([await one.cache.get('key'), await two.cache.get('key')], ['first', 'second'])
    await one.tags.invalidate('tag')
    await pollUntil('both to hear', async () => (await two.cache.get('key')) === undefined)
    t.equal(await one.cache.get('key'), undefined)

    const schema = (type: string) => ({
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => (typeof value === type ? { value } : { issues: [{ message: `no ${type}` }] }),
      },
    })
    const asText = one.cache.wrap('price', (id: number) => `${id}.00`, { schema: schema('string'), tags: ['price'] })
    const asNumber = one.cache.wrap('price', (id: number) => id, { schema: schema('number'), tags: ['price'] })
    t.equal(await asText(5), '5.00')
    t.equal(await asNumber(5), 5, 'what does not match the schema is a miss')
    t.equal(await asNumber(5), 5)
    const versioned = one.cache.wrap('price', (id: number) => ({ id }), { version: '2', tags: ['price'] })
    t.strictSame(await versioned(5), { id: 5 })
    t.equal(await asNumber(5), 5, 'another version is another entry')
    await one.tags.invalidate('price')
    t.strictSame([await one.cache.get(asNumber.key(5)), await one.cache.get(versioned.key(5))], [undefined, undefined])
  })
})
