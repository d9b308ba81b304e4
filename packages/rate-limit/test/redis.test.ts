import fastifyRateLimit from '@fastify/rate-limit'
import fastifyRedis from '@fastify/redis'
import { createStore } from '@larder/rate-limit'
import { pollUntil, type RedisServer, sharedRedis, startRedis, startWorker, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { ask, client, count, open, statuses, type T } from './setup.js'
import type { Methods } from './workers/app.js'

const APP = new URL('./workers/app.js', import.meta.url)

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

async function start(t: T, args: string[] = []): Promise<RedisServer> {
  const server = await startRedis({ args })
  t.teardown(() => server.stop())
  return server
}

t.test('a request is one command on one key, which expires', async (t) => {
  const server = await start(t)
  const policies = { burst: { max: 50, timeWindow: '1s' } }
  const { get, namespace } = await open(t, { redis: client(t, server), max: 5, timeWindow: '1m', policies })
  await get()
  await server.resetCommandCounts()
  await statuses(10, () => get())
  const counts = await server.commandCounts()
  // What the script itself runs is counted by the server, too.
  t.strictSame(counts, { evalsha: 10, time: 10, get: 10, set: 10 })
  const keys = await server.cli<string[]>('KEYS', '*')
  t.equal(keys.length, 1)
  t.ok(keys[0]?.startsWith(`${namespace}:limit:`))
  const ttl = await server.cli<number>('PTTL', keys[0] as string)
  t.ok(ttl > 58_000 && ttl <= 60_000, `${ttl} ms`)
})

t.test('a look is one command too, and writes nothing', async (t) => {
  const server = await start(t)
  const Store = createStore(client(t, server))
  t.teardown(() => Store.close())
  const store = new Store({})
  await count(store, 'a', { read: true })
  await server.resetCommandCounts()
  await count(store, 'a', { read: true })
  t.strictSame(await server.commandCounts(), { evalsha: 1, time: 1, get: 1 })
  t.strictSame(await server.cli('KEYS', '*'), [])
})

for (const algorithm of ['sliding-window', 'gcra', 'fixed-window'] as const) {
  t.test(`${algorithm}: a key that lost its expiry heals`, async (t) => {
    const server = await sharedRedis()
    const redis = client(t, server)
    const { get, namespace } = await open(t, { redis, max: 2, timeWindow: 400, algorithm })
    t.strictSame(await statuses(3, () => get()), [200, 200, 429])
    const [key] = (await redis.keys(`${namespace}:*`)) as [string]
    await redis.persist(key)
    t.equal(await redis.pttl(key), -1)
    await pollUntil('a request to be let in', async () => (await get()).status === 200)
    t.ok((await redis.pttl(key)) > 0)
  })

  t.test(`${algorithm}: what is no state of ours counts as none, and is replaced`, async (t) => {
    const server = await sharedRedis()
    const redis = client(t, server)
    const { get, namespace } = await open(t, { redis, max: 2, algorithm })
    await get()
    const [key] = (await redis.keys(`${namespace}:*`)) as [string]
    const known = (await redis.getBuffer(key)) as Buffer
    const others = ['', '19', 'x'.repeat(1_000), '\u0001', `\u0001${'\0'.repeat(15)}`, `\u0001${'x'.repeat(40)}`]
    for (const nonsense of [...others, known.subarray(0, -1), known.subarray(0, 17), known.subarray(0, 20)]) {
      await redis.set(key, nonsense)
      t.equal((await get()).headers['x-ratelimit-remaining'], '1', JSON.stringify(String(nonsense).slice(0, 20)))
    }
    await redis.del(key)
    await redis.lpush(key, 'a list')
    t.equal((await get()).headers['x-ratelimit-remaining'], '1')
    t.ok((await redis.pttl(key)) > 0)
  })

  t.test(`${algorithm}: a server clock that was set back locks nobody out for longer than a window`, async (t) => {
    const server = await sharedRedis()
    const redis = client(t, server)
    const { get, namespace } = await open(t, { redis, max: 1, algorithm, timeWindow: 300, ban: 0 })
    t.strictSame(await statuses(2, () => get()), [200, 403])
    const [key] = (await redis.keys(`${namespace}:*`)) as [string]
    const later = (await redis.getBuffer(key)) as Buffer
    for (let at = 1; at < later.length; at += 8) {
      const number = later.readDoubleBE(at)
      if (number > 1e12 && number < 1e13) later.writeDoubleBE(number + 3_600_000, at)
    }
    await redis.set(key, later)
    const refused = await get()
    t.match(refused, { status: 403, headers: { 'retry-after': '1' } })
    await pollUntil('a request to be let in', async () => (await get()).status === 200, 5_000)
  })
}

t.test('two processes share one limit', async (t) => {
  const server = await sharedRedis()
  const env = { REDIS: server.url, NAMESPACE: uniqueNamespace() }
  const workers = await Promise.all([startWorker<Methods>(APP, { env }), startWorker<Methods>(APP, { env })])
  t.teardown(() => Promise.all(workers.map((worker) => worker.stop())))
  const sum = async (url: string, times: number) =>
    (await Promise.all(workers.map((worker) => worker.call('hit', url, times)))).reduce((all, one) => all + one, 0)
  t.equal(await sum('/', 4), 8)
  t.equal(await sum('/', 20), 2)
  t.equal(await sum('/own', 20), 6)
  t.equal(await sum('/limiter', 20), 6)
})

t.test('a script that Redis forgot is sent again', async (t) => {
  const server = await start(t)
  const { get } = await open(t, { redis: client(t, server), max: 2 })
  await get()
  await server.cli('SCRIPT', 'FLUSH')
  t.strictSame(await statuses(2, () => get()), [200, 429])
})

t.test('nameSpace is what keys begin with, and parts counts', async (t) => {
  const redis = client(t, await sharedRedis())
  const [one, other] = [`${uniqueNamespace()}-`, `${uniqueNamespace()}-`]
  const opened = [
    await open(t, { redis, max: 1, nameSpace: one }),
    await open(t, { redis, max: 1, nameSpace: one }),
    await open(t, { redis, max: 1, nameSpace: other }),
  ]
  t.strictSame(await Promise.all(opened.slice(1).map(async ({ get }) => (await get()).status)), [200, 200])
  t.equal((await opened[0]?.get())?.status, 429)
  t.equal((await redis.keys(`${one}*`)).length, 1)
})

t.test('namespaces of two applications are apart; one namespace is one limit', async (t) => {
  const redis = client(t, await sharedRedis())
  const first = await open(t, { redis, max: 1 })
  const second = await open(t, { redis, max: 1, namespace: first.namespace })
  const third = await open(t, { redis, max: 1 })
  t.strictSame([(await first.get()).status, (await second.get()).status, (await third.get()).status], [200, 429, 200])
})

t.test('fastify.redis is used where it is, or the namespace of it that redis names', async (t) => {
  const server = await start(t)
  for (const redis of [undefined, 'limits']) {
    const before = async (app: FastifyInstance) => {
      const named = redis === undefined ? {} : { namespace: redis }
      await app.register(fastifyRedis, { client: client(t, server), ...named })
    }
    const { get, namespace } = await open(t, redis === undefined ? { max: 1 } : { max: 1, redis }, { before })
    t.strictSame(await statuses(2, () => get()), [200, 429])
    t.equal((await server.cli<string[]>('KEYS', `${namespace}:*`)).length, 1)
  }
})

t.test('a supplied client stays open, and is left without our listeners', async (t) => {
  const redis = client(t, await sharedRedis())
  await redis.ping()
  const before = redis.listenerCount('close')
  const { app, get } = await open(t, { redis })
  await get()
  await app.close()
  t.equal(await redis.ping(), 'PONG')
  t.equal(redis.listenerCount('close'), before)
})

t.test('createStore gives @fastify/rate-limit a store of its own', async (t) => {
  const redis = client(t, await sharedRedis())
  const namespace = uniqueNamespace()
  const app = fastify()
  t.teardown(() => app.close())
  const Store = createStore(redis, { algorithm: 'gcra', namespace, cost: 2 })
  app.addHook('onClose', async () => Store.close())
  await app.register(fastifyRateLimit, { max: 4, store: Store })
  app.get('/', async () => 'ok')
  app.get('/own', { config: { rateLimit: { max: 3, cost: 1, algorithm: 'fixed-window' } } }, async () => 'ok')
  const limiter = app.createRateLimit({ max: 2, cost: 1 })
  const second = app.createRateLimit({ max: 2, cost: 1 })
  app.get('/limiter', { config: { rateLimit: false } }, async (request) => limiter(request, { increment: true }))
  app.get('/second', { config: { rateLimit: false } }, async (request) => second(request, { increment: true }))
  app.get('/look', { config: { rateLimit: false } }, async (request) => second(request, { increment: false }))
  t.strictSame(await statuses(3, () => ask(app)), [200, 200, 429])
  t.strictSame(await statuses(4, () => ask(app, { url: '/own' })), [200, 200, 200, 429])
  t.match((await ask(app, { url: '/limiter' })).body, { remaining: 1 })
  t.match((await ask(app, { url: '/second' })).body, { remaining: 1 })
  t.match((await ask(app, { url: '/look' })).body, { remaining: 1 })
  t.equal((await redis.keys(`${namespace}:*`)).length, 4)
})

t.test('nothing was rejected without being handled', async (t) => {
  await new Promise(setImmediate)
  t.strictSame(unhandled, [])
})
