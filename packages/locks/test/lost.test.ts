import { setTimeout as sleep } from 'node:timers/promises'
import { Clock } from '@larder/core'
import type { Lock } from '@larder/locks'
import t from 'tap'
import { Locks } from '../dist/locks.js'
import { MemoryStore } from '../dist/memory-store.js'
import { resolveOptions } from '../dist/options.js'
import { Queue } from '../dist/queue.js'
import { Renewal } from '../dist/renewal.js'
import { behind, far, start, warm } from './faults.js'
import { client, codeOf, lost, open } from './setup.js'

const TTL = 600
/** How far from the deadline a loss may be told. */
const SLACK = 50

/** How much later a loss is told than a timer rings that was set for the lease's end; less than 0: too early. */
async function lateness(lock: Lock): Promise<number> {
  const begun = performance.now()
  const rest = lock.remaining
  const timer = sleep(rest).then(() => performance.now() - begun)
  await lost(lock)
  const took = performance.now() - begun
  return took < rest ? took - rest : Math.max(took - Math.max(await timer, rest), 0)
}

/** Keeps the event loop from everything else. */
function block(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

t.test('a lock whose key was deleted is lost at the next renewal', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const begun = performance.now()
  const lock = await locks.acquire('key', { ttl: TTL })
  const [key] = await server.cli<string[]>('KEYS', `${namespace}:lock:*`)
  await server.cli('DEL', key as string)
  t.match(await lost(lock), { code: 'LARDER_LOCKS_LOST', statusCode: 503 })
  t.ok(performance.now() - begun < TTL + SLACK)
  t.equal(await lock.release(), 'expired')
})

t.test('a lock that others have is lost at the next renewal', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const lock = await locks.acquire('key', { ttl: TTL })
  const [key] = await server.cli<string[]>('KEYS', `${namespace}:lock:*`)
  await server.cli('DEL', key as string)
  const other = await open(t, { redis: client(t, server), namespace })
  const next = await other.locks.acquire('key')
  t.match(await lost(lock), { code: 'LARDER_LOCKS_LOST', message: /others have it/ })
  t.equal(await lock.release(), 'stolen')
  t.equal(next.held, true)
  t.equal(await next.release(), 'released')
})

t.test('with Redis silent the signal is aborted at the deadline, and never before it', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server), deadline: '5s' })
  const kept = await locks.acquire('kept', { ttl: TTL })
  const semaphore = await locks.semaphore('many', { permits: 2 }).acquire({ ttl: TTL })
  await sleep(TTL)
  t.ok(kept.held && semaphore.held, 'renewed until then')
  await server.pause()
  // An answer that was sent before may lie in the socket.
  await sleep(20)
  for (const late of await Promise.all([kept, semaphore].map(lateness))) {
    t.ok(late > -2 && late < SLACK, `${late} ms after the deadline`)
  }
  server.resume()
  t.equal(await kept.release(), 'expired')
  t.equal(await (await locks.acquire('kept')).release(), 'released')
})

t.test('after the event loop was blocked for twice the lease the loss is told at once', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  const lock = await locks.acquire('key', { ttl: TTL })
  const { signal } = lock
  await sleep(TTL / 2)
  // What a timer takes that is due as well is not held against the lease.
  const due = sleep(2 * TTL).then(() => performance.now())
  block(2 * TTL)
  t.equal(lock.held, false)
  await lost({ signal })
  t.ok(performance.now() - (await due) < SLACK)
  t.equal(await lock.release(), 'expired')
  const looked = await locks.acquire('key', { ttl: 100 })
  block(200)
  t.equal(looked.signal.aborted, true, 'who looks is told the truth')
})

t.test('a shorter stall than the lease loses nothing', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server), deadline: '5s' })
  const ttl = 1_500
  const lock = await locks.acquire('key', { ttl })
  // Then the server knows the script.
  t.equal(await lock.extend(), 'extended')
  const end = performance.now() + lock.remaining
  await server.pause()
  await sleep(ttl / 2)
  // A renewal is under way: its answer will lie in the socket when the old deadline has passed.
  server.resume()
  block(end + 20 - performance.now())
  await sleep(SLACK)
  t.equal(lock.signal.aborted, false)
  t.equal(lock.held, true)
  await sleep(2 * ttl)
  t.equal(lock.held, true, 'it goes on being renewed')
  t.equal(await lock.release(), 'released')
})

t.test(
  'a renewal that overtakes the answer to extend does not make the lease last longer than Redis says',
  async (t) => {
    const server = await start(t)
    const { locks } = await open(t, { redis: client(t, server), deadline: '5s' })
    const lock = await locks.acquire('key', { ttl: TTL })
    t.equal(await lock.extend(), 'extended')
    await server.pause()
    const extended = lock.extend('1m')
    // A renewal is sent after it, for the length that it had.
    await sleep(TTL / 2)
    server.resume()
    t.equal(await extended, 'extended')
    await sleep(2 * TTL)
    t.equal(lock.held, true)
    t.ok(lock.remaining > 50_000, 'renewed for the new length')
    t.equal(await lock.release(), 'released')
  },
)

t.test('whose holder was told that it is lost is not released, although Redis kept it a little longer', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const { locks } = await open(t, { redis: far(t, proxy), deadline: '5s' })
  await warm(locks)
  // Redis hears of it late, so its lease ends later than here.
  proxy.delay(200, 'toServer')
  const lock = await locks.acquire('key', { ttl: TTL, renew: false })
  proxy.delay(0, 'toServer')
  await lost(lock)
  t.equal(await locks.tryAcquire('key'), undefined)
  t.equal(await lock.release(), 'expired')
  t.ok(await locks.tryAcquire('key'))
})

t.test('a lease that was prolonged after its holder was told that it is lost is given back', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { locks } = await open(t, { redis: far(t, proxy), namespace: near.namespace, deadline: '5s' })
  await warm(locks)
  const lock = await locks.acquire('key', { ttl: 200, renew: false })
  t.equal(await lock.extend(), 'extended')
  proxy.delay(400)
  const extending = lock.extend('1h')
  await lost(lock)
  t.equal(await extending, 'expired')
  proxy.delay(0)
  t.ok(await near.locks.acquire('key'))
})

t.test('nor does a renewal whose answer came too late keep the lock from others', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { locks } = await open(t, { redis: far(t, proxy), namespace: near.namespace, deadline: '30s' })
  await warm(locks)
  const ttl = 4_500
  const lock = await locks.acquire('key', { ttl })
  t.equal(await lock.extend(), 'extended')
  const begun = performance.now()
  proxy.delay(0.8 * ttl)
  const waiting = near.locks.acquire('key', { wait: '30s' })
  await lost(lock)
  await waiting
  const took = performance.now() - begun
  t.ok(took < 1.25 * ttl, `${took} ms: before the renewed lease would have ended`)
})

t.test('a renewal that Redis refuses is tried again in time', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  const ttl = 1_500
  const lock = await locks.acquire('key', { ttl })
  const set = (to: string) => server.cli('CONFIG', 'SET', 'min-replicas-to-write', to)
  await set('1')
  // Longer than until the next renewal, which would be too late after it.
  await sleep(0.75 * ttl)
  await set('0')
  await sleep(ttl)
  t.equal(lock.held, true)
  t.equal(await lock.release(), 'released')
})

t.test('a lease ends while the machine sleeps, and is lost when it wakes', async (t) => {
  let asleep = 0
  const clock = new Clock({ monotonic: () => performance.now(), wall: () => Date.now() + asleep })
  const store = new MemoryStore({}, 'asleep', 1_000, clock)
  const queue = new Queue(store)
  const forget = queue.forget.bind(queue)
  const renewal = new Renewal(store, forget)
  const log = { warn: () => {}, info: () => {} }
  const { terms } = resolveOptions({})
  const locks = new Locks({ store, queue, renewal, forget, log, app: {}, locks: 'asleep' }, terms)
  const lock = await locks.acquire('key', { ttl: '1h' })
  const told = lost(lock)
  // Set back, the wall clock changes nothing.
  asleep = -7_200_000
  t.equal(lock.held, true)
  asleep += 7_200_000
  const begun = performance.now()
  t.match(await told, { code: 'LARDER_LOCKS_LOST' })
  t.ok(performance.now() - begun < 2 * SLACK)
  t.equal(await codeOf(lock.release()), undefined)
})
