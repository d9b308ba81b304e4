import { pollUntil, type RedisServer, startRedis, uniqueNamespace } from '@larder/test-redis'
import t from 'tap'
import { client, kept, type OpenOptions, open, type T } from './setup.js'

async function serverOf(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

/** What the server was sent, without the beats of feeds. */
async function counts(server: RedisServer): Promise<Record<string, number>> {
  const { ping: _, ...rest } = await server.commandCounts()
  return rest
}

const TAGGED: OpenOptions = { staleWhileRevalidate: 0 }

t.test('a tagged hit from memory runs no command', async (t) => {
  const server = await serverOf(t)
  const { cache, tags } = await open(t, { ...TAGGED, redis: client(t, server) })
  const product = cache.wrap('product', (id: number) => ({ id }), { tags: (value) => ['products', `id:${value.id}`] })
  await product(1)
  await cache.getOrSet('key', () => 1, { tags: ['a', 'b'] })
  await tags.invalidate('b')
  await cache.getOrSet('key', () => 1, { tags: ['a', 'b'] })
  await kept({ memory: true }, cache, 'key')
  await pollUntil('a copy', async () => (await product(1)) === product.peek(1))
  await server.resetCommandCounts()
  for (let i = 0; i < 1_000; i++) {
    await cache.getOrSet('key', () => 2)
    await cache.get('key')
    await cache.entry('key')
    await product(1)
    await cache.getMany(['key'])
  }
  t.same(await counts(server), {})
})

t.test('a tagged hit from Redis runs one command when this process knows the tags', async (t) => {
  const server = await serverOf(t)
  const namespace = uniqueNamespace()
  const one = await open(t, { redis: client(t, server), namespace, memory: false })
  const two = await open(t, { redis: client(t, server), namespace, memory: false })
  for (let i = 0; i < 10; i++) await one.cache.set(['key', i], i, { tags: ['all', `tag:${i}`] })
  await pollUntil('the news of the tags', async () => {
    await server.resetCommandCounts()
    for (let i = 0; i < 10; i++) await two.cache.get(['key', i])
    return (await counts(server)).mget === undefined
  })
  t.same(await counts(server), { get: 10 })
  await server.resetCommandCounts()
  for (let i = 0; i < 100; i++) t.equal(await two.cache.get(['key', i % 10]), i % 10)
  t.same(await counts(server), { get: 100 })
  await server.resetCommandCounts()
  await Promise.all(Array.from({ length: 100 }, (_, i) => two.cache.get(['key', i % 10])))
  const { get = 0, mget = 0, ...others } = await counts(server)
  t.ok(get + mget > 0 && get + mget <= 10, 'those of one turn share commands')
  t.same(others, {})
})

t.test('an invalidation is one script, whatever the number of entries', async (t) => {
  const server = await serverOf(t)
  const { cache, tags } = await open(t, { redis: client(t, server) })
  const seen: unknown[] = []
  for (const entries of [1, 300]) {
    const keys = Array.from({ length: entries }, (_, i) => `key ${i}`)
    await cache.getMany(keys, (missing) => missing.map(() => 1), { tags: ['all', 'other'] })
    await tags.invalidate('all')
    await server.resetCommandCounts()
    await tags.invalidate('all')
    seen.push(await counts(server))
    t.same(await cache.getMany(keys.slice(-3)), new Array(Math.min(3, entries)).fill(undefined))
  }
  t.same(seen[0], seen[1])
  t.match(seen[0], { evalsha: 1, get: 1, set: 2 })
  await server.resetCommandCounts()
  await tags.invalidate('all', 'other', 'none')
  t.equal((await counts(server)).evalsha, 1, 'of several tags, too')
})

t.test('a load costs three scripts and a GET; tags of the value that are new one more, or two', async (t) => {
  const server = await serverOf(t)
  const { cache } = await open(t, { redis: client(t, server) })
  const load = (key: string, tags: string[]) => cache.getOrSet(key, () => 1, { tags: () => tags })
  await load('first', ['known'])
  await load('second', ['known'])
  await pollUntil('the news of the tags', async () => {
    await server.resetCommandCounts()
    await load(`again ${Math.random()}`, ['known'])
    return (await counts(server)).evalsha === 3
  })
  await server.resetCommandCounts()
  await load('fourth', ['new'])
  // Two, when the news of their making arrives before the answer.
  const { evalsha = 0 } = await counts(server)
  t.ok(evalsha === 4 || evalsha === 5, `${evalsha} scripts`)
})

for (const [name, options] of [
  ['a key prefix', { keyPrefix: 'app:' }],
  ['numbers as strings', { stringNumbers: true }],
  ['auto-pipelining', { enableAutoPipelining: true }],
  ['RESP2', { protocol: 2 }],
  ['another database', { db: 3 }],
] as const) {
  t.test(`a client with ${name} will do`, async (t) => {
    const server = await serverOf(t)
    const namespace = uniqueNamespace()
    const one = await open(t, { redis: client(t, server, options), namespace })
    const two = await open(t, { redis: client(t, server, options), namespace })
    let value = 0
    let loads = 0
    const read = ({ cache }: typeof one) =>
      cache.getOrSet('key', () => [value, loads++][0], { tags: ['tag'], ttl: '12h' })
    t.equal(await read(one), 0)
    t.equal(await read(two), 0)
    t.equal(loads, 1, 'they share it')
    await kept({ memory: true }, two.cache, 'key')
    value = 1
    await one.tags.invalidate('tag')
    await pollUntil('the news', async () => (await read(two)) === 1)
    await kept({ memory: true }, two.cache, 'key')
    await one.cache.delete('key')
    await pollUntil('the news', () => two.cache.peek('key') === undefined)
    await one.cache.set('user:1', 1)
    await one.cache.set('user:2', 2)
    t.equal(await two.cache.deletePattern('user:*'), 2)
    t.equal(await two.cache.get('user:1'), undefined)
    await two.cache.set('other', 1, { tags: ['tag'] })
    await two.cache.expire('other')
    await one.cache.clear()
    t.equal(await one.cache.get('other'), undefined)
  })
}
