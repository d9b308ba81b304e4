import { setTimeout as sleep } from 'node:timers/promises'
import type { Lock } from '@larder/locks'
import t from 'tap'
import { behind, far, noneUnhandled, start, warm } from './faults.js'
import { client, codeOf, leftOn, lost, open, queuedOn } from './setup.js'

t.test('scripts that the server forgot are sent again', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  const lock = await locks.acquire('key', { ttl: 300 })
  const waiting = locks.acquire('key')
  await server.cli('SCRIPT', 'FLUSH')
  t.equal(await lock.extend(), 'extended')
  await server.cli('SCRIPT', 'FLUSH')
  await lock.release()
  await server.cli('SCRIPT', 'FLUSH')
  t.equal(await (await waiting).release(), 'released')
})

t.test('whatever key is evicted, who holds and is not alone any more is told, and who waits gets it', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server), ttl: 300, wait: '20s' })
  for (const pattern of ['lock:*', 'lock-queue:*', 'fence:*']) {
    const lock = await locks.acquire('key')
    const waiting = locks.acquire('key')
    await queuedOn([server], namespace, 1)
    await server.cli('DEL', ...(await server.cli<string[]>('KEYS', `${namespace}:${pattern}`)))
    if (pattern === 'lock:*') t.match(await lost(lock), { code: 'LARDER_LOCKS_LOST' })
    else t.equal(await lock.release(), 'released')
    const next = await waiting
    t.ok(next.fencingToken > lock.fencingToken)
    t.equal(await next.release(), 'released')
  }
})

t.test('scripts are forgotten all the time, and nobody notices', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server), wait: '1m' })
  let forgetting = true
  const forget = async (): Promise<void> => {
    while (forgetting) await server.cli('SCRIPT', 'FLUSH')
  }
  const forgetful = forget()
  let inside = 0
  let most = 0
  let last = 0n
  const work = async (lock: Lock): Promise<void> => {
    most = Math.max(most, ++inside)
    t.ok(lock.fencingToken > last)
    last = lock.fencingToken
    await (await locks.semaphore('beside', { permits: 100 }).acquire()).release()
    inside--
  }
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 30 }, () => locks.using('key', work)))
  }
  forgetting = false
  await forgetful
  t.equal(most, 1)
  t.strictSame(await leftOn([server], namespace), [])
})

for (const [what, pattern] of [
  ['the queue is evicted', 'lock-queue:*'],
  ['everything is flushed', '*'],
] as const) {
  t.test(`when ${what}, all who wait get it in their order, and soon`, async (t) => {
    const server = await start(t)
    const { locks, namespace } = await open(t, { redis: client(t, server), ttl: '1m', wait: '1m' })
    const lock = await locks.acquire('key')
    const order: number[] = []
    const waiting = Array.from({ length: 12 }, (_, i) => locks.using('key', async () => void order.push(i)))
    await queuedOn([server], namespace, 12)
    const begun = performance.now()
    await server.cli('DEL', ...(await server.cli<string[]>('KEYS', `${namespace}:${pattern}`)))
    if (pattern === '*') t.equal(await lock.extend(), 'expired')
    else await lock.release()
    await Promise.all(waiting)
    t.strictSame(
      order,
      Array.from({ length: 12 }, (_, i) => i),
    )
    // One of them asks within a second. If each had to, it would take twelve.
    t.ok(performance.now() - begun < 6_000, `${performance.now() - begun} ms`)
    t.strictSame(await leftOn([server], namespace), [])
  })
}

t.test('without the record of it, a retried release says what it finds, and frees no other', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { locks } = await open(t, { redis: far(t, proxy), namespace: near.namespace, deadline: 250 })
  await warm(locks)
  const held = [await locks.acquire('a', { ttl: '1m' }), await locks.acquire('b', { ttl: '1m' })] as const
  proxy.drop('toClient')
  t.strictSame(
    await Promise.all(held.map((lock) => codeOf(lock.release()))),
    new Array(2).fill('LARDER_LOCKS_UNAVAILABLE'),
  )
  const latches = await server.cli<string[]>('KEYS', `${near.namespace}:latch:*`)
  await server.cli('DEL', ...latches)
  const next = await near.locks.acquire('a', { wait: '10s' })
  await proxy.restore()
  let answers: (string | undefined)[] = []
  for (let i = 0; i < 100 && answers.length < 2; i++) {
    answers = await Promise.all(held.map((lock) => lock.release())).catch(() => [])
    if (answers.length < 2) await near.locks.acquire('pause', { ttl: 20, renew: false }).then(lost)
  }
  t.strictSame(answers, ['stolen', 'expired'])
  t.equal(await next.extend(), 'extended')
  t.equal(await next.release(), 'released')
})

t.test(
  'with Redis out of memory a lock that is free is not to be had, and who has one keeps it and can give it back',
  async (t) => {
    const server = await start(t)
    const { locks, namespace } = await open(t, { redis: client(t, server), ttl: '1m' })
    const semaphore = locks.semaphore('key', { permits: 1 })
    const held = [await locks.acquire('key'), await semaphore.acquire(), await locks.acquire('alone')]
    const waiting = [locks.acquire('key', { wait: '1m' }), semaphore.acquire({ wait: '1m' })]
    await queuedOn([server], namespace, 2)
    await server.cli('CONFIG', 'SET', 'maxmemory', '1')
    const refused = [locks.acquire('free'), locks.tryAcquire('free')]
    t.strictSame(await Promise.all(refused.map(codeOf)), new Array(2).fill('LARDER_LOCKS_UNAVAILABLE'))
    // By now who waits has asked once more.
    await sleep(1_100)
    for (const lock of held) {
      t.equal(await lock.extend(), 'extended')
      t.equal(await lock.release(), 'released')
    }
    for (const lock of await Promise.all(waiting)) t.equal(await lock.release(), 'released')
    await server.cli('CONFIG', 'SET', 'maxmemory', '0')
    t.equal(await (await locks.acquire('free')).release(), 'released')
  },
)

noneUnhandled(t)
