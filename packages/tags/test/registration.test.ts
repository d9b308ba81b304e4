import { channel } from 'node:diagnostics_channel'
import cacheAside from '@larder/cache-aside'
import tagsPlugin from '@larder/tags'
import { pollUntil, sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { client, codeOf, named, type T } from './setup.js'

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
