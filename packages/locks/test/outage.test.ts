import { once } from 'node:events'
import { pollUntil } from '@larder/test-redis'
import t from 'tap'
import { noneUnhandled, start, timed, warm } from './faults.js'
import { client, codeOf, leftOn, lost, open, pending, queuedOn } from './setup.js'

const DEADLINE = 250
/** What a machine that is busy with other things may add. */
const BUSY = 1_000

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
    t.ok(took < DEADLINE + BUSY, `${took} ms`)
  }
  const open2 = await timed(locks.acquire('key'))
  t.equal(open2.code, 'LARDER_LOCKS_UNAVAILABLE')
  t.ok(open2.took < DEADLINE, 'at once, once it is known')
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
    t.ok(took < DEADLINE + BUSY, `${took} ms`)
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
  t.ok(took < 1_000 + DEADLINE + BUSY, `${took} ms`)
  server.resume()
})

t.test('an application starts without Redis, and has locks when it comes', async (t) => {
  const server = await start(t)
  await server.kill()
  const redis = client(t, server, { retryStrategy: () => 20 })
  const begun = performance.now()
  const { locks } = await open(t, { redis, deadline: DEADLINE })
  t.ok(performance.now() - begun < DEADLINE + 2 * BUSY)
  t.equal(await codeOf(locks.acquire('key')), 'LARDER_LOCKS_UNAVAILABLE')
  await server.start()
  await once(redis, 'ready')
  await pollUntil('the lock', async () => (await locks.tryAcquire('key')) !== undefined)
  t.pass()
})

noneUnhandled(t)
