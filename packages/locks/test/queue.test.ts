import type { CommandCounts } from '@larder/test-redis'
import t from 'tap'
import { start } from './faults.js'
import { client, codeOf, leftOn, lost, open, queuedOn } from './setup.js'

/** What clients sent, as scripts are sent. */
function sent({ evalsha = 0, eval: sources = 0, ping = 0, wait = 0 }: CommandCounts): number {
  return evalsha + sources + ping + wait
}

t.test('a lock that is free costs two commands', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  await locks.using('key', () => {})
  await server.resetCommandCounts()
  for (let i = 0; i < 10; i++) await locks.using('key', () => {})
  t.equal(sent(await server.commandCounts()), 20)
})

t.test('a lock that others hold costs one command to try, and at most five to wait for', async (t) => {
  const server = await start(t)
  const one = await open(t, { redis: client(t, server) })
  const other = await open(t, { redis: client(t, server), namespace: one.namespace })
  const round = async (): Promise<void> => {
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).locks.using('key', () => other.locks.tryAcquire('x'))),
    )
  }
  const held = await other.locks.acquire('x')
  await round()
  await server.resetCommandCounts()
  await one.locks.tryAcquire('x')
  t.equal(sent(await server.commandCounts()), 1)
  await server.resetCommandCounts()
  await round()
  const counts = sent(await server.commandCounts()) - 20
  t.ok(counts <= 5 * 20, `${counts / 20} commands an acquisition`)
  await held.release()
})

t.test('a thousand waiters get it in order, and leave no key behind', async (t) => {
  const server = await start(t)
  const one = await open(t, { redis: client(t, server), wait: '1m' })
  const other = await open(t, { redis: client(t, server), namespace: one.namespace, wait: '1m' })
  const lock = await one.locks.acquire('key')
  await Promise.all([one, other].map(({ locks }) => codeOf(locks.acquire('key', { wait: 10 }))))
  const order: number[] = []
  const waiting = Array.from({ length: 500 }, (_, i) => one.locks.using('key', () => void order.push(i)))
  await queuedOn([server], one.namespace, 500)
  for (let i = 500; i < 1_000; i++) waiting.push(other.locks.using('key', () => void order.push(i)))
  await queuedOn([server], one.namespace, 1_000)
  await lock.release()
  await Promise.all(waiting)
  t.strictSame(
    order,
    Array.from({ length: 1_000 }, (_, i) => i),
  )
  t.strictSame(await leftOn([server], one.namespace), [])
})

t.test('a thousand waiters that give up leave no key behind', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server), wait: '1m' })
  const lock = await locks.acquire('key')
  const controller = new AbortController()
  const { signal } = controller
  const waiting = Array.from({ length: 1_000 }, (_, i) =>
    codeOf(i % 2 ? locks.acquire('key', { signal }) : locks.acquire('key', { wait: '3s' })),
  )
  await queuedOn([server], namespace, 1_000)
  controller.abort()
  const codes = new Set(await Promise.all(waiting))
  t.strictSame(codes, new Set(['LARDER_LOCKS_TIMEOUT', 20]))
  await queuedOn([server], namespace, 0)
  await lock.release()
  t.strictSame(await leftOn([server], namespace), [])
})

t.test('many locks are renewed by one command, each third of their lease', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  const held = await Promise.all(Array.from({ length: 60 }, (_, i) => locks.acquire(['key', i], { ttl: 3_000 })))
  await server.resetCommandCounts()
  const begun = performance.now()
  await locks.acquire('passing', { ttl: 5_000, renew: false }).then(lost)
  const thirds = (performance.now() - begun) / 1_000
  // A command more for what was passing; and one renews a twelfth before the third is over.
  const renewals = sent(await server.commandCounts()) - 1
  t.ok(renewals >= 4 && renewals <= thirds * 1.4 + 1, `${renewals} commands in ${thirds} thirds`)
  t.ok(held.every((lock) => lock.held))
  await Promise.all(held.map((lock) => lock.release()))
})
