import type { Lock } from '@larder/locks'
import { pollUntil } from '@larder/test-redis'
import t from 'tap'
import { behind, far, noneUnhandled, start, warm } from './faults.js'
import { client, codeOf, leftOn, open, queuedOn } from './setup.js'

const DEADLINE = 250

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

t.test('a lock that is asked for while the application closes is given back', async (t) => {
  const server = await start(t)
  const one = await open(t, { redis: client(t, server) })
  await warm(one.locks)
  const asked = codeOf(one.locks.acquire('key'))
  await one.app.close()
  t.equal(await asked, 'LARDER_LOCKS_UNAVAILABLE')
  await pollUntil('no key to be left', async () => (await leftOn([server], one.namespace)).length === 0)
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

t.test('a connection that is cut between question and reply changes nothing', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { namespace } = near
  const { locks } = await open(t, { redis: far(t, proxy), namespace, deadline: '10s', wait: '1m' })
  await warm(locks)
  /** Asks, and cuts the connection as soon as the server has done it. */
  const cut = async <T>(ask: () => Promise<T>, done: () => Promise<boolean>): Promise<T> => {
    await pollUntil('the connection to be up', async () => (await codeOf(locks.using('up', () => {}))) === undefined)
    proxy.drop('toClient')
    const answer = ask()
    await pollUntil('the server to have done it', done)
    await proxy.restore()
    return answer
  }
  const places = async (): Promise<number> => (await leftOn([server], namespace)).length
  const held = [
    await cut(
      () => locks.acquire('key'),
      async () => (await places()) === 1,
    ),
    await cut(
      () => locks.semaphore('key', { permits: 1 }).acquire(),
      async () => (await places()) === 2,
    ),
  ]
  for (const lock of held) t.equal(await lock.extend(), 'extended')
  const order: number[] = []
  const first = locks.using('key', async () => void order.push(0))
  await queuedOn([server], namespace, 1)
  const queue = (await leftOn([server], namespace)).find((key) => key.includes(':lock-queue:')) as string
  const others = await cut(
    async () => [1, 2].map((i) => locks.using('key', async () => void order.push(i))),
    async () => (await server.cli('ZCARD', queue)) === 3,
  )
  t.equal(await near.locks.tryAcquire('key'), undefined)
  t.equal(
    await cut(
      () => (held[1] as Lock).release(),
      async () => (await places()) === 2,
    ),
    'released',
  )
  t.equal(await (held[0] as Lock).release(), 'released')
  await Promise.all([first, ...others])
  t.strictSame(order, [0, 1, 2])
  t.strictSame(await leftOn([server], namespace), [])
})

t.test('a lock that could not be given back at the end of its block is free as soon as Redis is reached', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { locks } = await open(t, { redis: far(t, proxy), namespace: near.namespace, deadline: DEADLINE })
  await warm(locks)
  const lock = await locks.acquire('key', { ttl: '1h' })
  proxy.drop()
  await lock[Symbol.asyncDispose]()
  t.equal(await near.locks.tryAcquire('key'), undefined)
  await proxy.restore()
  await (await near.locks.acquire('key', { wait: '20s' })).release()
  t.equal(await lock.release(), 'released')
})

noneUnhandled(t)
