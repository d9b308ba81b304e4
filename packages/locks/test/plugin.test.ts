import { createRequire } from 'node:module'
import { setImmediate as turn } from 'node:timers/promises'
import fastifyRedis from '@fastify/redis'
import locks, { type LockEvent, type Locks, type LocksOptions, locksChannel, locks as named } from '@larder/locks'
import { sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { client, codeOf, lost, open, type T } from './setup.js'

declare module '@larder/locks' {
  interface LocksInstances {
    orders: Locks
  }
}

function app(t: T): FastifyInstance {
  const app = fastify()
  t.teardown(() => app.close())
  return app
}

t.test('import and require give the plugin itself', async (t) => {
  t.equal(named, locks)
  const required = createRequire(import.meta.url)('@larder/locks')
  t.equal(required, locks)
  const server = app(t)
  await server.register(required, { redis: false })
  t.type(server.locks.acquire, 'function')
})

t.test('left out, Redis is that of @fastify/redis', async (t) => {
  const server = await sharedRedis()
  const redis = client(t, server)
  const namespace = uniqueNamespace()
  const main = app(t)
  await main.register(fastifyRedis, { client: redis })
  await main.register(locks, { namespace })
  await main.locks.acquire('key')
  const other = app(t)
  await other.register(fastifyRedis, { client: redis, namespace: 'state' })
  await other.register(locks, { namespace, redis: 'state' })
  t.equal(await other.locks.tryAcquire('key'), undefined)
  const rival = app(t)
  await rival.register(locks, { redis, namespace: uniqueNamespace() })
  t.ok(await rival.locks.tryAcquire('key'), 'another namespace, other locks')
})

t.test('without Redis it works in memory, and warns once', async (t) => {
  const lines: string[] = []
  const server = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } })
  t.teardown(() => server.close())
  await server.register(locks)
  await server.locks.using('key', () => {})
  t.equal(lines.length, 1)
  t.match(lines[0], /@larder\/locks has no Redis/)
})

t.test('a client that was supplied is left open, what was opened beside it is closed', async (t) => {
  const server = await sharedRedis()
  const redis = client(t, server, { connectionName: 'supplied' })
  const main = fastify()
  await main.register(locks, { redis, namespace: uniqueNamespace() })
  const lock = await main.locks.acquire('key')
  await codeOf(main.locks.acquire('key', { wait: 50 }))
  await codeOf(main.locks.acquire('other', { requireReplicas: 1 }))
  await lock.release()
  await main.close()
  t.equal(redis.status, 'ready')
  t.equal(await redis.ping(), 'PONG')
  t.equal(redis.listenerCount('close'), 0)
})

t.test('a second registration needs a name of its own', async (t) => {
  const server = app(t)
  await server.register(locks, { redis: false })
  await server.register(locks, { redis: false, name: 'orders', namespace: 'orders' })
  await server.locks.acquire('key')
  t.ok(await server.locks.orders.tryAcquire('key'))
  t.equal(await codeOf(server.register(locks, { redis: false }) as never), 'LARDER_DUPLICATE_NAME')
})

t.test('it can be registered inside a context', async (t) => {
  const server = app(t)
  await server.register(async (inner) => {
    await inner.register(locks, { redis: false })
    inner.get('/', async () => inner.locks.using('key', () => 'locked'))
  })
  t.equal((await server.inject('/')).body, 'locked')
})

t.test('options are checked at registration', async (t) => {
  const bad: [options: unknown, message: RegExp][] = [
    [{ ttl: 0 }, /`ttl` to be a positive duration, got `0`/],
    [{ ttl: 'soon' }, /`ttl`/],
    [{ wait: -1 }, /`wait` to be a duration of 0 or more/],
    [{ deadline: 0 }, /`deadline`/],
    [{ requireReplicas: 1.5 }, /`requireReplicas` to be a whole number/],
    [{ renew: 'yes' }, /`renew` to be a boolean/],
    [{ namespace: 'a:b' }, /`namespace`/],
    [{ redis: 5 }, /`redis`/],
    [{ redis: 'unknown' }, /`redis`/],
    [{ name: '' }, /`name`/],
    [{ tll: '5s' }, /Unknown option `tll`/],
  ]
  for (const [options, message] of bad) {
    const error = await Promise.resolve(app(t).register(locks, options as LocksOptions)).catch((error) => error)
    t.match(error, { code: 'LARDER_INVALID_OPTION', message })
  }
})

t.test('options are checked at each call', async (t) => {
  const { locks } = await open(t, { redis: false })
  const calls: (() => unknown)[] = [
    () => locks.acquire('key', { ttl: 0 }),
    () => locks.acquire('key', { wait: -1 }),
    () => locks.acquire('key', { signal: {} as AbortSignal }),
    () => locks.acquire('key', { renew: 1 as never }),
    () => locks.acquire('key', { unknown: 1 } as never),
    () => locks.acquire('key', 5 as never),
    () => locks.tryAcquire('key', { ttl: 'x' }),
    () => locks.using('key', { ttl: -5 }, () => {}),
    () => locks.acquireAll(['key'], { ttl: 0 }),
    () => locks.acquireAll('key' as never),
    () => locks.semaphore('key', { permits: 0 }),
    () => locks.semaphore('key', {} as never),
    () => locks.semaphore('key', { permits: 1.5 }),
    () => locks.semaphore('key', { permits: 1 }).acquire({ ttl: 0 }),
    () => locks.readWrite('key', { ttl: 0 }),
  ]
  for (const call of calls) t.equal(await codeOf((async () => call())()), 'LARDER_INVALID_OPTION', String(call))
  for (const key of ['', [], 5, null, undefined, {}]) {
    for (const rejected of [locks.acquire(key as never), locks.tryAcquire(key as never)]) {
      t.equal(await codeOf(rejected), 'LARDER_INVALID_KEY')
    }
  }
})

t.test('the defaults: a lease of 10 s, a wait of 5 s, renewed; calls and registration change them', async (t) => {
  const { locks } = await open(t, { redis: false })
  const lock = await locks.acquire('key')
  t.ok(lock.remaining > 9_900 && lock.remaining <= 10_000)
  const begun = performance.now()
  const waiting = locks.acquire('key').catch((error) => error)
  const short = await open(t, { redis: false, ttl: '1s', wait: 20, renew: false })
  await short.locks.acquire('key', { ttl: 40 }).then(lost)
  const held = await short.locks.acquire('key')
  t.ok(held.remaining <= 1_000)
  t.match(await short.locks.acquire('key').catch((error) => error), {
    message: 'The lock `key` was not free within 20 ms',
  })
  t.equal(await codeOf(short.locks.acquire('key', { wait: '30ms' })), 'LARDER_LOCKS_TIMEOUT')
  t.match(await waiting, { code: 'LARDER_LOCKS_TIMEOUT', message: /5000 ms/ })
  t.ok(performance.now() - begun > 4_990)
})

t.test('what happens is published on larder:locks', async (t) => {
  const namespace = uniqueNamespace()
  const { locks, app } = await open(t, { redis: false, namespace })
  const events: LockEvent[] = []
  const hear = (event: unknown): void =>
    void ((event as LockEvent).locks === namespace && events.push(event as LockEvent))
  locksChannel.subscribe(hear)
  t.teardown(() => locksChannel.unsubscribe(hear))
  const lock = await locks.acquire('key')
  await locks.tryAcquire('key')
  await codeOf(locks.acquire('key', { wait: 1 }))
  await codeOf(locks.acquire('key', { signal: AbortSignal.abort() }))
  const waiting = locks.acquire('key')
  await turn()
  await lock.release()
  await (await waiting).release()
  await (
    await locks
      .semaphore('key', { permits: 1 })
      .acquire({ ttl: 20, renew: false })
      .then(async (permit) => {
        await lost(permit)
        return permit
      })
  ).release()
  await (await locks.readWrite('key').read()).release()
  await codeOf(locks.readWrite('key').write({ requireReplicas: 1 }))
  await app.close()
  await codeOf(locks.acquire('key'))
  const short = events.map(({ kind, ...event }) => ({ kind, type: event.type, ...pick(event) }))
  t.strictSame(short, [
    { kind: 'mutex', type: 'acquired', queued: false },
    { kind: 'mutex', type: 'failed', reason: 'busy' },
    { kind: 'mutex', type: 'failed', reason: 'timeout' },
    { kind: 'mutex', type: 'failed', reason: 'aborted' },
    { kind: 'mutex', type: 'released', answer: 'released' },
    { kind: 'mutex', type: 'acquired', queued: true },
    { kind: 'mutex', type: 'released', answer: 'released' },
    { kind: 'semaphore', type: 'acquired', queued: false },
    { kind: 'semaphore', type: 'lost', reason: 'deadline' },
    { kind: 'semaphore', type: 'released', answer: 'expired' },
    { kind: 'read', type: 'acquired', queued: false },
    { kind: 'read', type: 'released', answer: 'released' },
    { kind: 'write', type: 'failed', reason: 'replicas' },
    { kind: 'mutex', type: 'failed', reason: 'unavailable' },
  ])
  t.ok(events.every((event) => event.lock === 'key'))
  t.ok(events.every((event) => ('waited' in event ? event.waited : event.held) >= 0))
})

function pick(event: object): object {
  const { queued, reason, answer } = event as { queued?: boolean; reason?: string; answer?: string }
  return { ...(queued === undefined ? {} : { queued }), ...(reason ? { reason } : {}), ...(answer ? { answer } : {}) }
}
