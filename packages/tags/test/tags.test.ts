import { channel } from 'node:diagnostics_channel'
import cacheAside, { type Load } from '@larder/cache-aside'
import tagsPlugin from '@larder/tags'
import { pollUntil, sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { allSites, client, codeOf, Gate, kept, type Site, type T } from './setup.js'

const named = (app: FastifyInstance) =>
  app as unknown as {
    cache: Record<string, FastifyInstance['cache']>
    tags: Record<string, FastifyInstance['tags']>
  }

/** What tags do wherever a cache keeps its entries. */
function behaves(t: Test, site: Site): void {
  invalidating(t, site)
  duringLoads(t, site)
  bearing(t, site)
  spaces(t, site)
  if (site.shared) acrossProcesses(t, site)
}

function invalidating(t: Test, site: Site): void {
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
}

function duringLoads(t: Test, site: Site): void {
  const ways: [name: string, options: object, load: (gate: Gate<string>) => Load<string>][] = [
    ['given', { tags: ['tag'] }, (gate) => gate.load],
    ['computed from the value', { tags: (value: string) => [value.slice(0, 3)] }, (gate) => gate.load],
    [
      'added by the loader',
      {},
      (gate) => async (context) => {
        const value = await gate.load()
        context.addTags('tag')
        return value
      },
    ],
  ]
  for (const [name, options, load] of ways) {
    t.test(`G1: a load that a tag’s invalidation overtook is given to nobody who asks later (${name})`, async (t) => {
      const { cache, tags } = await site.open(t)
      for (const round of ['unknown tag', 'known tag']) {
        const gate = new Gate<string>()
        const early = cache.getOrSet('key', load(gate), options)
        await gate.begun()
        await tags.invalidate('tag')
        const late = cache.getOrSet('key', load(gate), options)
        const entry = cache.entry('key', load(gate), options)
        gate.open('tag old')
        t.equal(await early, 'tag old', round)
        await gate.begun(2)
        gate.open('tag new')
        t.equal(await late, 'tag new', round)
        t.equal((await entry).value, 'tag new', round)
        t.equal(await cache.get('key'), 'tag new', round)
        t.equal(gate.calls, 2)
        await cache.delete('key')
      }
    })

    t.test(`G1: an invalidation between the end of a load and its storing is not lost (${name})`, async (t) => {
      const { cache, tags } = await site.open(t)
      for (let turns = 0; turns < 12; turns++) {
        const gate = new Gate<string>()
        const early = cache.getOrSet('key', load(gate), options)
        await gate.begun()
        gate.open('tag old')
        // Lets the storing get as far as it gets in so many turns.
        for (let i = 0; i < turns; i++) await (turns % 2 ? null : new Promise(setImmediate))
        await tags.invalidate('tag')
        t.equal(await cache.get('key'), undefined)
        await early
        t.equal(await cache.get('key'), undefined)
      }
    })
  }

  t.test('G1: a soft invalidation during a load leaves it stale, not fresh', async (t) => {
    const { cache, tags } = await site.open(t)
    const gate = new Gate<string>()
    const early = cache.getOrSet('key', gate.load, { tags: ['tag'], staleWhileRevalidate: '1m' })
    await gate.begun()
    await tags.invalidate('tag', { soft: true })
    gate.open('old')
    await early
    const entry = await cache.entry('key')
    t.not(entry.state, 'hit')
  })

  t.test('G1: a refresh of a stale entry that a hard invalidation overtook is not stored', async (t) => {
    const { cache, tags } = await site.open(t)
    const options = { tags: ['tag'], staleWhileRevalidate: '1m' }
    await cache.set('key', 'first', options)
    await tags.invalidate('tag', { soft: true })
    const gate = new Gate<string>()
    t.equal(await cache.getOrSet('key', gate.load, options), 'first')
    await gate.begun()
    await tags.invalidate('tag')
    gate.open('second')
    t.equal(await cache.getOrSet('key', () => 'third', options), 'third')
    t.equal(await cache.get('key'), 'third')
  })

  t.test('G1: a write-through that an invalidation overtook is not kept', async (t) => {
    const { cache, tags } = await site.open(t)
    const gate = new Gate<string>()
    const writing = cache.writeThrough('key', gate.load, { tags: ['tag'] })
    await gate.begun()
    await tags.invalidate('tag')
    gate.open('old')
    t.equal(await writing, 'old')
    t.equal(await cache.get('key'), undefined)
  })

  t.test('G1: a batch load that an invalidation overtook is not kept', async (t) => {
    const { cache, tags } = await site.open(t)
    const gate = new Gate<string[]>()
    const early = cache.getMany(['a', 'b'], gate.load, { tags: ['tag'] })
    await gate.begun()
    await tags.invalidate('tag')
    gate.open(['old', 'old'])
    t.strictSame(await early, ['old', 'old'])
    t.strictSame(await cache.getMany(['a', 'b']), [undefined, undefined])
  })

  t.test('G3: a tag that is evicted during a load costs a load, and brings nothing back', async (t) => {
    if (!site.shared) return t.pass('nobody evicts tags in memory')
    const { cache, tags, namespace } = await site.open(t)
    for (const evicted of [[`{${namespace}}:t:tag`], [`{${namespace}}:t:tag`, `{${namespace}}:clock`]]) {
      await cache.getOrSet('other', () => 1, { tags: ['tag'] })
      const gate = new Gate<string>()
      const early = cache.getOrSet('key', gate.load, { tags: ['tag'] })
      await gate.begun()
      await tags.invalidate('tag')
      for (const key of evicted) await site.cli('DEL', key)
      gate.open('old')
      await early
      t.equal(await cache.getOrSet('key', () => 'new', { tags: ['tag'] }), 'new')
      t.equal(await cache.get('other'), undefined)
      await cache.delete('key', 'other')
    }
  })
}

function bearing(t: Test, site: Site): void {
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
}

function spaces(t: Test, site: Site): void {
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
}

function acrossProcesses(t: Test, site: Site): void {
  t.test('G1: another process hears of it, and never goes back', async (t) => {
    const one = await site.open(t)
    const two = await site.open(t, { namespace: one.namespace })
    let value = 0
    const read = () => two.cache.getOrSet('key', () => value, { tags: ['tag'] })
    for (let round = 1; round <= 10; round++) {
      t.equal(await read(), value)
      await kept(site, two.cache, 'key')
      value = round
      await one.tags.invalidate('tag')
      await pollUntil('the news', async () => (await read()) === round)
      for (let i = 0; i < 20; i++) if ((await read()) !== round) t.fail('it went back')
    }
  })

  t.test(
    'G1: a load under way in another process when it heard of it is not joined any more, nor stored',
    async (t) => {
      const one = await site.open(t)
      const two = await site.open(t, { namespace: one.namespace })
      await two.cache.getOrSet('other', () => 1, { tags: ['tag'] })
      await kept(site, two.cache, 'other')
      const gate = new Gate<string>()
      const early = two.cache.getOrSet('key', gate.load, { tags: ['tag'] })
      await gate.begun()
      await one.tags.invalidate('tag')
      await pollUntil('the news', async () => (await two.cache.get('other')) === undefined)
      const late = two.cache.getOrSet('key', gate.load, { tags: ['tag'] })
      gate.open('old')
      t.equal(await early, 'old')
      await gate.begun(2)
      gate.open('new')
      t.equal(await late, 'new')
      t.equal(await one.cache.get('key'), 'new')
    },
  )

  t.test('G1: a process that waits for another one’s load does not take what an invalidation overtook', async (t) => {
    const one = await site.open(t)
    const two = await site.open(t, { namespace: one.namespace })
    const gate = new Gate<string>()
    const early = one.cache.getOrSet('key', gate.load, { tags: ['tag'] })
    await gate.begun()
    await two.tags.invalidate('tag')
    const own = new Gate<string>()
    const late = two.cache.getOrSet('key', own.load, { tags: ['tag'] })
    gate.open('old')
    t.equal(await early, 'old')
    await own.begun()
    own.open('new')
    t.equal(await late, 'new')
  })

  t.test('G3: tags and clock that are deleted cost loads, and bring nothing back', async (t) => {
    const one = await site.open(t)
    const two = await site.open(t, { namespace: one.namespace })
    const key = (name: string) => `{${one.namespace}}:${name}`
    let value = 0
    const read = (cache: typeof one.cache) => cache.getOrSet('key', () => value, { tags: ['tag'] })
    for (let round = 1; round <= 10; round++) {
      await read(one.cache)
      await read(two.cache)
      if (round % 2) await site.cli('DEL', key('t:tag'))
      value = round
      await one.tags.invalidate('tag')
      if (round % 3) await site.cli('DEL', key('clock'))
      if (round % 5 === 0) await site.cli('DEL', key('t::'))
      t.equal(await read(one.cache), round)
      await pollUntil('the news', async () => (await read(two.cache)) === round)
    }
  })
}

for (const site of await allSites()) t.test(site.name, { jobs: 4 }, async (t) => behaves(t, site))

/** An application of these plugins in this order; `undefined` stands for the default registration. */
async function app(t: T, ...plugins: ['cache' | 'tags', object?][]): Promise<FastifyInstance> {
  const instance = fastify()
  t.teardown(() => instance.close())
  for (const [name, options] of plugins) {
    instance.register(name === 'cache' ? cacheAside : tagsPlugin, { redis: false, ...options })
  }
  await instance.ready()
  return instance
}

t.test('cache and tags are registered in any order', async (t) => {
  const orders: ['cache' | 'tags'][][] = [
    [['cache'], ['tags']],
    [['tags'], ['cache']],
  ]
  for (const order of orders) {
    const { cache, tags } = await app(t, ...order)
    await cache.getOrSet('key', () => 1, { tags: ['tag'] })
    await tags.invalidate('tag')
    t.equal(await cache.get('key'), undefined)
  }
})

t.test('tags without @larder/tags are an error that says what to register', async (t) => {
  const { cache } = await app(t, ['cache', { namespace: 'shop' }])
  const calls: (() => unknown)[] = [
    () => cache.getOrSet('key', () => 1, { tags: ['tag'] }),
    () => cache.getOrSet('key', () => 1, { tags: () => ['tag'] }),
    () => cache.set('key', 1, { tags: ['tag'] }),
    () => cache.writeThrough('key', () => 1, { tags: ['tag'] }),
    () => cache.getMany(['key'], () => [1], { tags: ['tag'] }),
    () => cache.wrap('name', () => 1, { tags: ['tag'] })(),
    () => cache.getOrSet('key', (context) => context.addTags('tag')),
  ]
  for (const call of calls) {
    const error = await (async () => call())().then(
      () => undefined,
      (error: unknown) => error,
    )
    t.match(error, { code: 'LARDER_CACHE_TAGS_NOT_REGISTERED', message: /namespace `shop`.*register @larder\/tags/ })
  }
  t.equal(await cache.get('key'), undefined)
  t.equal(await cache.getOrSet('plain', () => 1), 1)
})

t.test('tags of another namespace do not cover a cache', async (t) => {
  const { cache } = await app(t, ['tags', { namespace: 'other' }], ['cache', { namespace: 'shop' }])
  t.equal(await codeOf(cache.set('key', 1, { tags: ['tag'] })), 'LARDER_CACHE_TAGS_NOT_REGISTERED')
})

t.test('tags without a namespace cover every cache of the application', async (t) => {
  const instance = await app(
    t,
    ['tags'],
    ['cache', { namespace: 'shop' }],
    ['cache', { namespace: 'blog', name: 'blog' }],
  )
  const { cache, tags } = instance
  const { blog } = named(instance).cache as { blog: typeof cache }
  await cache.set('key', 1, { tags: ['tag'] })
  await blog.set('key', 2, { tags: ['tag'] })
  await tags.invalidate('tag')
  t.strictSame([await cache.get('key'), await blog.get('key')], [undefined, undefined])
  t.ok((await tags.tag('tag')).invalidatedAt)
})

t.test('a named instance with a namespace covers that one only', async (t) => {
  const instance = await app(
    t,
    ['cache', { namespace: 'shop' }],
    ['cache', { namespace: 'blog', name: 'blog' }],
    ['tags', { namespace: 'shop' }],
    ['tags', { namespace: 'blog', name: 'blog' }],
  )
  const { cache, tags } = instance
  const { blog } = named(instance).cache as { blog: typeof cache }
  await cache.set('key', 1, { tags: ['tag'] })
  await blog.set('key', 2, { tags: ['tag'] })
  await tags.invalidate('tag')
  t.strictSame([await cache.get('key'), await blog.get('key')], [undefined, 2])
  await named(instance).tags.blog?.invalidate('tag')
  t.equal(await blog.get('key'), undefined)
})

t.test('two caches of one namespace are reached by one invalidation', async (t) => {
  const instance = await app(t, ['tags'], ['cache'], ['cache', { name: 'second', memory: false }])
  const { cache, tags } = instance
  const { second } = named(instance).cache as { second: typeof cache }
  await cache.set('key', 1, { tags: ['tag'] })
  t.equal(await second.get('key'), 1)
  await tags.invalidate('tag')
  t.strictSame([await cache.get('key'), await second.get('key')], [undefined, undefined])
})

t.test('the same name twice is an error', async (t) => {
  t.equal(await codeOf(app(t, ['tags'], ['tags'])), 'LARDER_DUPLICATE_NAME')
  t.equal(await codeOf(app(t, ['tags', { name: 'a' }], ['tags', { name: 'a' }])), 'LARDER_DUPLICATE_NAME')
})

t.test('options are checked when registering', async (t) => {
  const bad: [object, RegExp][] = [
    [{ deadline: -1 }, /`deadline` to be a positive duration, got `-1`/],
    [{ replayFor: -1 }, /`replayFor` to be a duration of 0 or more/],
    [{ outboxLimit: 0 }, /`outboxLimit` to be a whole number of at least 1/],
    [{ feed: { heartbeat: 0 } }, /`feed.heartbeat` to be a positive duration/],
    [{ feed: { heartbeats: 1 } }, /Unknown option `feed.heartbeats`/],
    [{ namespace: 'a:b' }, /`namespace`/],
    [{ name: '' }, /`name` to be a non-empty string/],
    [{ redis: 1 }, /`redis` to be an ioredis client/],
    [{ ttl: 1 }, /Unknown option `ttl`/],
  ]
  for (const [options, message] of bad)
    await t.rejects(app(t, ['tags', options]), { code: 'LARDER_INVALID_OPTION', message }, JSON.stringify(options))
})

t.test('a process that only invalidates names the namespace', async (t) => {
  const server = await sharedRedis()
  const namespace = uniqueNamespace()
  const shop = await app(t, ['tags', { redis: client(t, server), namespace }])
  const other = fastify()
  t.teardown(() => other.close())
  const redis = client(t, server)
  await other.register(tagsPlugin, { redis })
  await other.register(cacheAside, { redis, namespace })
  await other.ready()
  await other.cache.set('key', 1, { tags: ['tag'] })
  await shop.tags.invalidate('tag')
  await pollUntil('the news', async () => (await other.cache.get('key')) === undefined)
})

t.test('in memory the warning names the plugin', async (t) => {
  const lines: string[] = []
  const instance = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } })
  t.teardown(() => instance.close())
  await instance.register(tagsPlugin, { namespace: 'shop' })
  await instance.ready()
  t.match(
    lines.map((line) => JSON.parse(line).msg),
    [/@larder\/tags has no Redis/],
  )
})

t.test('it publishes each invalidation', async (t) => {
  const { tags, server } = await app(t, ['tags'])
  const events: unknown[] = []
  const told = (event: unknown) => events.push(event)
  channel('larder:tags').subscribe(told)
  t.teardown(() => channel('larder:tags').unsubscribe(told))
  await tags.invalidate('one', 'two', 'one')
  await tags.invalidate('one', { soft: true })
  t.strictSame(events, [
    { type: 'invalidate', app: server, tags: 2, soft: false },
    { type: 'invalidate', app: server, tags: 1, soft: true },
  ])
})
