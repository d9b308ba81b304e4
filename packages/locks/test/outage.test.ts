import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lock, Locks } from '@larder/locks'
import { pollUntil, type RedisServer, startProxy, startRedis, startWorker, type TcpProxy } from '@larder/test-redis'
import { Redis } from 'ioredis'
import t from 'tap'
import { client, codeOf, leftOn, lost, open, pending, queuedOn, type T } from './setup.js'
import type { Methods } from './workers/holder.js'

const HOLDER = new URL('./workers/holder.js', import.meta.url)
const DEADLINE = 250

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

async function start(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

async function behind(t: T, server: RedisServer): Promise<TcpProxy> {
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  return proxy
}

/** A client that reaches the server through the proxy. */
function far(t: T, proxy: TcpProxy): Redis {
  const redis = new Redis(proxy.url, { retryStrategy: () => 20 })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  return redis
}

/** Has the server know the scripts. */
async function warm(locks: Locks): Promise<void> {
  await locks.using('warm', () => locks.using('warm', { wait: 1 }, () => {}).catch(() => {}))
}

/** How long a call takes, and how it ends. */
async function timed(promise: Promise<unknown>): Promise<{ code: string | undefined; took: number }> {
  const begun = performance.now()
  const code = await codeOf(promise)
  return { code, took: performance.now() - begun }
}

t.test('with Redis silent every call rejects within the deadline', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  const lock = await locks.acquire('held', { ttl: '1m' })
  await server.pause()
  const answers = await Promise.all([
    timed(locks.acquire('key')),
    timed(locks.tryAcquire('key')),
    timed(locks.acquireAll(['a', 'b'])),
    timed(locks.semaphore('key', { permits: 2 }).acquire()),
    timed(locks.readWrite('key').read()),
    timed(lock.extend()),
    timed(lock.release()),
  ])
  for (const { code, took } of answers) {
    t.equal(code, 'LARDER_LOCKS_UNAVAILABLE')
    t.ok(took < 2 * DEADLINE, `${took} ms`)
  }
  const open2 = await timed(locks.acquire('key'))
  t.equal(open2.code, 'LARDER_LOCKS_UNAVAILABLE')
  t.ok(open2.took < 20, 'at once, once it is known')
  const error = await locks.acquire('key').catch((error) => error)
  t.match(error, { statusCode: 503, cause: { code: 'LARDER_REDIS_UNAVAILABLE' } })
  void lock.release()
  server.resume()
  await pollUntil('Redis to be back', async () => (await locks.tryAcquire('key')) !== undefined)
  t.equal(await lock.release(), 'released')
})

t.test('what a call that was given up did all the same is undone when Redis is back', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  const held = await locks.acquire('held')
  await warm(locks)
  await server.pause()
  const controller = new AbortController()
  const calls = [
    locks.acquire('a', { ttl: '1m' }),
    locks.acquire('held', { wait: '1m' }),
    locks.semaphore('b', { permits: 1 }).acquire({ ttl: '1m' }),
    locks.acquire('c', { ttl: '1m', signal: controller.signal }),
  ]
  controller.abort()
  for (const code of await Promise.all(calls.map(codeOf))) t.ok(code)
  server.resume()
  await pollUntil('Redis to be back', async () => (await held.extend()) === 'extended')
  await held.release()
  await pollUntil('nothing to be left', async () => (await leftOn([server], namespace)).length === 0)
  t.pass()
})

t.test('with Redis dead who waits is told within the deadline, and holders lose their locks', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  const lock = await locks.acquire('key', { ttl: 600 })
  const waiting = locks.acquire('key', { wait: '1m' })
  const other = locks.semaphore('key', { permits: 1 })
  await other.acquire()
  const also = other.acquire({ wait: '1m' })
  await pollUntil('the waiters to be in the queue', () => pending(waiting))
  await server.kill()
  for (const { code, took } of await Promise.all([timed(waiting), timed(also)])) {
    t.equal(code, 'LARDER_LOCKS_UNAVAILABLE')
    t.ok(took < 2 * DEADLINE, `${took} ms`)
  }
  await lost(lock)
  t.equal((await timed(locks.acquire('key'))).code, 'LARDER_LOCKS_UNAVAILABLE')
  await server.start()
  await pollUntil('Redis to be back', async () => (await locks.tryAcquire('key')) !== undefined)
  t.equal(await lock.release(), 'stolen')
})

t.test('with Redis silent who waits is told within a second and the deadline', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  await locks.acquire('key', { ttl: '1m' })
  const waiting = locks.acquire('key', { wait: '1m' })
  await queuedOn([server], namespace, 1)
  await server.pause()
  const { code, took } = await timed(waiting)
  t.equal(code, 'LARDER_LOCKS_UNAVAILABLE')
  t.ok(took < 1_000 + 2 * DEADLINE, `${took} ms`)
  server.resume()
})

t.test('a lost connection that comes back in time costs no waiter its place', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const redis = client(t, server)
  const { locks, namespace } = await open(t, { redis })
  const remote = await open(t, { redis: far(t, proxy), namespace })
  const lock = await locks.acquire('key')
  const order: number[] = []
  const waiting = [0, 1, 2].map((i) => remote.locks.using('key', { wait: '20s' }, () => void order.push(i)))
  await queuedOn([server], namespace, 3)
  proxy.cut()
  await pollUntil('the proxy to be reached again', () => proxy.connections >= 2)
  await lock.release()
  await Promise.all(waiting)
  t.strictSame(order, [0, 1, 2])
})

t.test('a waiter whose subscriber was cut off gets the lock all the same', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const lock = await locks.acquire('key')
  const waiting = locks.acquire('key', { wait: '20s' })
  await queuedOn([server], namespace, 1)
  await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await lock.release()
  const begun = performance.now()
  t.ok((await waiting).held)
  t.ok(performance.now() - begun < 500)
})

t.test('a subscriber whose link goes dead without a word is replaced', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const remote = await open(t, { redis: far(t, proxy), deadline: '5s' })
  const { locks, namespace } = await open(t, { redis: client(t, server), namespace: remote.namespace })
  const lock = await locks.acquire('key')
  const waiting = remote.locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 1)
  proxy.drop()
  await lock.release()
  await sleep(50)
  await proxy.restore()
  t.equal(await (await waiting).release(), 'released')
})

t.test('where channels are forbidden, waiters ask by themselves', async (t) => {
  const server = await start(t)
  await server.cli('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', 'resetchannels')
  const redis = client(t, server, { username: 'mute', password: 'x' })
  const { locks } = await open(t, { redis, deadline: DEADLINE })
  const lock = await locks.acquire('key')
  const waiting = Promise.all([0, 1, 2].map((i) => locks.using('key', { wait: '20s' }, () => i)))
  await sleep(DEADLINE)
  await lock.release()
  t.strictSame(await waiting, [0, 1, 2])
})

t.test('a retried release tells the first answer, although its reply was lost and others have the lock', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { locks } = await open(t, {
    redis: far(t, proxy),
    namespace: near.namespace,
    deadline: DEADLINE,
  })
  await warm(locks)
  const held: Lock[] = [
    await locks.acquire('key', { ttl: '1m' }),
    await locks.semaphore('key', { permits: 1 }).acquire({ ttl: '1m' }),
    await locks.readWrite('key').write({ ttl: '1m' }),
  ]
  proxy.drop('toClient')
  for (const code of await Promise.all(held.map((lock) => codeOf(lock.release())))) {
    t.equal(code, 'LARDER_LOCKS_UNAVAILABLE')
  }
  const next = [
    await near.locks.acquire('key', { wait: 0 }),
    await near.locks.semaphore('key', { permits: 1 }).acquire({ wait: 0 }),
    await near.locks.readWrite('key').write({ wait: 0 }),
  ]
  await proxy.restore()
  await pollUntil('the connection to be back', async () => (await locks.tryAcquire('other')) !== undefined)
  for (const lock of held) t.equal(await lock.release(), 'released')
  for (const lock of next) t.equal(await lock.release(), 'released')
})

t.test('a lock whose grant was never heard of is free again as soon as Redis is reached', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const redis = far(t, proxy)
  const { locks } = await open(t, { redis, namespace: near.namespace, deadline: DEADLINE })
  await warm(locks)
  proxy.drop('toClient')
  t.equal(await codeOf(locks.acquire('key', { ttl: '1h' })), 'LARDER_LOCKS_UNAVAILABLE')
  t.equal(await near.locks.tryAcquire('key'), undefined)
  await proxy.restore()
  t.ok(await near.locks.acquire('key', { wait: '5s' }))
})

t.test('a grant that arrives when its lease is over is no lock', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const { locks } = await open(t, { redis: far(t, proxy), deadline: '5s' })
  proxy.delay(200)
  t.equal(await codeOf(locks.acquire('key', { ttl: 100 })), 'LARDER_LOCKS_UNAVAILABLE')
  proxy.delay(0)
  t.equal(await (await locks.acquire('key')).release(), 'released')
})

t.test('an application starts without Redis, and has locks when it comes', async (t) => {
  const server = await start(t)
  await server.kill()
  const redis = client(t, server, { retryStrategy: () => 20 })
  const begun = performance.now()
  const { locks } = await open(t, { redis, deadline: DEADLINE })
  t.ok(performance.now() - begun < 2_000)
  t.equal(await codeOf(locks.acquire('key')), 'LARDER_LOCKS_UNAVAILABLE')
  await server.start()
  await once(redis, 'ready')
  await pollUntil('the lock', async () => (await locks.tryAcquire('key')) !== undefined)
  t.pass()
})

async function subscribers(server: RedisServer): Promise<number> {
  return (await server.cli<string>('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n').filter(Boolean).length
}

t.test('a waiter whose process died is passed over at once', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(HOLDER, { env: { REDIS: server.url, NAMESPACE: namespace } })
  const lock = await locks.acquire('key')
  const dead = Promise.all([0, 1, 2].map(() => worker.call('acquire', 'key', { wait: '1m' }))).catch(() => {})
  await queuedOn([server], namespace, 3)
  const alive = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 4)
  await worker.kill()
  await dead
  await pollUntil('Redis to notice', async () => (await subscribers(server)) === 1)
  const begun = performance.now()
  await lock.release()
  await alive
  t.ok(performance.now() - begun < 200, `after ${performance.now() - begun} ms`)
})

t.test('a waiter whose process is stopped is passed over, and has its place again when it goes on', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(HOLDER, { env: { REDIS: server.url, NAMESPACE: namespace } })
  t.teardown(() => worker.stop())
  const lock = await locks.acquire('key')
  const stopped = worker.call('acquire', 'key', { wait: '1m' })
  await queuedOn([server], namespace, 1)
  const alive = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 2)
  await worker.pause()
  const last = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 3)
  const begun = performance.now()
  await lock.release()
  const next = await alive
  t.ok(performance.now() - begun < 2_500, `after ${performance.now() - begun} ms`)
  worker.resume()
  await queuedOn([server], namespace, 2)
  await next.release()
  await stopped
  t.equal(await pending(last), true)
  await worker.call('release', 'key')
  await (await last).release()
})

t.test('a stopped waiter whose own wait is over is passed over at once', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(HOLDER, { env: { REDIS: server.url, NAMESPACE: namespace } })
  t.teardown(() => worker.stop())
  const lock = await locks.acquire('key')
  const stopped = worker.call('acquire', 'key', { wait: 400 })
  await queuedOn([server], namespace, 1)
  await worker.pause()
  const alive = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 2)
  await sleep(450)
  const begun = performance.now()
  await lock.release()
  await alive
  t.ok(performance.now() - begun < 200)
  worker.resume()
  t.equal(await stopped, 'LARDER_LOCKS_TIMEOUT')
})

t.test('all this time no rejection was left unhandled', async (t) => {
  t.strictSame(unhandled, [])
})
