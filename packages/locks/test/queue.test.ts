import { type CommandCounts, type RedisServer, startCluster, startRedis } from '@larder/test-redis'
import t from 'tap'
import { client, codeOf, leftOn, lost, open, pending, queuedOn, type T } from './setup.js'

async function start(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

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

t.test('on Cluster, locks outlast the moving of their slot and the failover of their node', async (t) => {
  const cluster = await startCluster({ replicas: 1 })
  t.teardown(() => cluster.stop())
  const redis = cluster.client()
  const { locks, namespace } = await open(t, { redis, deadline: '5s', ttl: '5s', wait: '30s' })
  const lock = await locks.acquire('key')
  const waiting = locks.acquire('key')
  await queuedOn(cluster.nodes.slice(0, 3), namespace, 1)
  let place: string | undefined
  for (const node of cluster.nodes.slice(0, 3)) {
    place ??= (await node.cli<string[]>('KEYS', `${namespace}:lock:*`))[0]
  }
  const from = await cluster.nodeOf(place as string)
  const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as typeof from
  await cluster.reshard({ from, to, slots: [await cluster.slotOf(place as string)] })
  t.equal(await lock.extend(), 'extended')
  t.equal(await locks.tryAcquire('key'), undefined)
  const replica = cluster.nodes[cluster.nodes.indexOf(to) + 3] as typeof from
  await cluster.failover(replica)
  t.equal(await lock.extend(), 'extended')
  t.equal(await pending(waiting), true)
  t.equal(await lock.release(), 'released')
  const next = await waiting
  t.ok(next.fencingToken > lock.fencingToken)
  t.equal(await next.release(), 'released')
  t.strictSame(await leftOn(cluster.nodes, namespace), [])
})
