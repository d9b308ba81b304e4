import { createRequire } from 'node:module'
import fastifyRedis from '@fastify/redis'
import cacheAside, { type Cache, cacheAside as named } from '@larder/cache-aside'
import { pollUntil, sharedRedis, startRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { client, codeOf, Gate } from './setup.js'

t.test('after the application was closed the cache says so; loads under way end with it', async (t) => {
  const app = fastify()
  await app.register(cacheAside, { redis: false, namespace: uniqueNamespace() })
  const { cache } = app
  const gate = new Gate<string>()
  const running = cache.getOrSet('key', gate.load)
  await gate.begun()
  const ended = codeOf(running)
  await app.close()
  t.equal(await ended, 'LARDER_CACHE_CLOSED')
  t.equal(await codeOf(cache.getOrSet('other', gate.load)), 'LARDER_CACHE_CLOSED')
  gate.open('late')
})

t.test('a closed application lets its process end, and closes no client that it was given', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const redis = client(t, server)
  const listeners = (): number[] => ['ready', 'close', 'end', 'error'].map((event) => redis.listenerCount(event))
  const before = listeners()
  const app = fastify()
  await app.register(cacheAside, { redis })
  await app.cache.getOrSet('key', () => 1)
  t.not(listeners().join(), before.join())
  await app.close()
  t.equal(redis.status, 'ready')
  t.equal(await redis.ping(), 'PONG')
  t.strictSame(listeners(), before)
  await pollUntil('the feed to be closed', async () => {
    const clients = await server.cli<string>('CLIENT', 'LIST')
    return !clients.includes('larder-feed')
  })
})

t.test('the option redis', async (t) => {
  const server = await sharedRedis()
  const entries = async (app: FastifyInstance, namespace: string): Promise<boolean> => {
    await app.cache.set('key', 1)
    const found = await server.cli('EXISTS', `${namespace}:v:{key}`)
    return found === 1
  }
  const build = async (t: Test, register: (app: FastifyInstance, namespace: string) => Promise<unknown>) => {
    const app = fastify()
    const namespace = uniqueNamespace()
    t.teardown(() => app.close())
    await register(app, namespace)
    return entries(app, namespace)
  }
  await t.test('may be a client', async (t) => {
    const redis = client(t, server)
    t.ok(await build(t, async (app, namespace) => app.register(cacheAside, { redis, namespace })))
  })
  await t.test('left out is fastify.redis where it is decorated', async (t) => {
    const register = async (app: FastifyInstance, namespace: string): Promise<void> => {
      await app.register(fastifyRedis, { url: server.url })
      await app.register(cacheAside, { namespace })
    }
    t.ok(await build(t, register))
  })
  await t.test('may be the name of a namespace of @fastify/redis', async (t) => {
    const register = async (app: FastifyInstance, namespace: string): Promise<void> => {
      await app.register(fastifyRedis, { url: server.url, namespace: 'main' })
      await app.register(cacheAside, { redis: 'main', namespace })
    }
    t.ok(await build(t, register))
    const app = fastify()
    t.teardown(() => app.close())
    await app.register(fastifyRedis, { url: server.url, namespace: 'main' })
    await t.rejects(async () => app.register(cacheAside, { redis: 'other' }), {
      code: 'LARDER_INVALID_OPTION',
      message: /`main`.*got `'other'`/,
    })
  })
  await t.test('left out with only namespaces of @fastify/redis is an error that names them', async (t) => {
    const app = fastify()
    t.teardown(() => app.close().catch(() => {}))
    await app.register(fastifyRedis, { url: server.url, namespace: 'main' })
    await t.rejects(async () => app.register(cacheAside, {}), { code: 'LARDER_INVALID_OPTION', message: /`main`/ })
  })
  await t.test('of false is memory, also where fastify.redis is decorated; without any it warns once', async (t) => {
    t.notOk(
      await build(t, async (app, namespace) => {
        await app.register(fastifyRedis, { url: server.url })
        await app.register(cacheAside, { redis: false, namespace })
      }),
    )
    const lines: string[] = []
    const app = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } })
    t.teardown(() => app.close())
    await app.register(cacheAside, {})
    await app.cache.set('key', 1)
    t.equal(await app.cache.get('key'), 1)
    t.equal(lines.length, 1)
    t.match(lines[0], /no Redis.*memory of this process/)
  })
})

t.test('a registration with a name is a second instance', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(cacheAside, { redis: false, name: 'catalog', namespace: 'catalog' })
  await app.register(cacheAside, { redis: false })
  await app.register(cacheAside, { redis: false, name: 'users', namespace: 'users' })
  const caches = app.cache as Cache & Record<'catalog' | 'users', Cache>
  for (const [i, one] of [caches, caches.catalog, caches.users].entries()) await one.set('key', i)
  t.strictSame(await Promise.all([caches, caches.catalog, caches.users].map((one) => one.get('key'))), [0, 1, 2])
  await t.rejects(async () => app.register(cacheAside, { redis: false, name: 'users' }), {
    code: 'LARDER_DUPLICATE_NAME',
    message: /`users`/,
  })
})

t.test('a second default registration, or a name that is a method, is an error', async (t) => {
  const app = fastify()
  t.teardown(() => app.close().catch(() => {}))
  await app.register(cacheAside, { redis: false })
  await t.rejects(async () => app.register(cacheAside, { redis: false }), { code: 'LARDER_DUPLICATE_NAME' })
  const other = fastify()
  t.teardown(() => other.close().catch(() => {}))
  await other.register(cacheAside, { redis: false })
  await t.rejects(async () => other.register(cacheAside, { redis: false, name: 'get' }), {
    code: 'LARDER_INVALID_OPTION',
    message: /`name`/,
  })
})

t.test('two instances of one namespace hear of each other’s changes at once', async (t) => {
  for (const redis of [false as const, client(t, await sharedRedis())]) {
    const app = fastify()
    t.teardown(() => app.close())
    const namespace = uniqueNamespace()
    await app.register(cacheAside, { redis, namespace, deadline: '20s' })
    await app.register(cacheAside, { redis, namespace, name: 'second', deadline: '20s' })
    const { second } = app.cache as Cache & Record<'second', Cache>
    await app.cache.set('key', 'old')
    t.equal(await second.get('key'), 'old')
    await app.cache.delete('key')
    t.equal(second.peek('key'), undefined)
    t.equal(await second.get('key'), undefined)
    await second.set('key', 'new')
    t.equal(await app.cache.get('key'), 'new')
    await second.clear()
    t.equal(await app.cache.get('key'), undefined)
  }
})

t.test('registered inside a scope the cache is seen there and below, and nowhere else', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  const seen: Cache[] = []
  const scope = async (child: FastifyInstance): Promise<void> => {
    await child.register(cacheAside, { redis: false, namespace: uniqueNamespace() })
    await child.register(async (grandchild) => void seen.push(grandchild.cache))
    child.get('/', async () => child.cache.getOrSet('key', () => 'value'))
  }
  await app.register(scope, { prefix: '/one' })
  await app.register(scope, { prefix: '/two' })
  await app.ready()
  t.equal(app.hasDecorator('cache'), false)
  t.equal(seen.length, 2)
  t.not(seen[0], seen[1])
  for (const url of ['/one', '/two']) t.equal((await app.inject(url)).body, 'value')
})

t.test('the package is a plugin for import and require alike', async (t) => {
  const required: typeof cacheAside = createRequire(import.meta.url)('@larder/cache-aside')
  t.equal(typeof required, 'function')
  t.equal(required, cacheAside)
  t.equal(named, cacheAside)
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(required, { redis: false })
  t.equal(await app.cache.getOrSet('key', () => 1), 1)
})
