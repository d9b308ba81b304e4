import { pollUntil, type RedisServer, sharedCluster, startSentinel, startWorker } from '@larder/test-redis'
import t from 'tap'
import { start } from './faults.js'
import { ENTER, WRITE } from './resource.js'
import { client, codeOf, lost, open } from './setup.js'
import type { Methods } from './workers/holder.js'

const HOUR = 3_600_000_000n

async function fences(server: RedisServer, namespace: string): Promise<string[]> {
  return server.cli<string[]>('KEYS', `${namespace}:fence:*`)
}

t.test('the token is the time of the server in microseconds, or more', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  const before = BigInt(Date.now()) * 1_000n
  const { fencingToken } = await locks.acquire('key')
  t.ok(fencingToken >= before && fencingToken <= BigInt(Date.now() + 1) * 1_000n)
})

t.test('it grows although Redis lost everything it knew', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  const first = await locks.acquire('key')
  await server.cli('FLUSHALL')
  const second = await locks.acquire('key')
  t.ok(second.fencingToken > first.fencingToken)
  t.equal(await first.release(), 'stolen')
  t.equal(await second.release(), 'released')
})

t.test('it grows although the clock of the server was set back, for every kind of lock', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const { fencingToken, release } = await locks.acquire('key')
  t.type(release, 'function')
  const [key] = await fences(server, namespace)
  // To the tokens it is the same whether the clock is an hour behind them, or they are an hour ahead of the clock.
  await server.cli('SET', key as string, String(fencingToken + HOUR))
  await locks.semaphore('key', { permits: 9 }).acquire()
  const tokens = [fencingToken + HOUR]
  tokens.push((await locks.semaphore('key', { permits: 9 }).acquire()).fencingToken)
  await server.cli('DEL', ...(await server.cli<string[]>('KEYS', `${namespace}:lock:*`)))
  const held = await locks.acquire('key')
  tokens.push(held.fencingToken)
  const waiting = locks.acquire('key')
  await locks.tryAcquire('key')
  await held.release()
  tokens.push((await waiting).fencingToken)
  for (let i = 1; i < tokens.length; i++) t.ok((tokens[i] as bigint) > (tokens[i - 1] as bigint))
})

t.test('it grows then also from process to process, none of which has seen a token', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  await locks.using('key', () => {})
  const [key] = await fences(server, namespace)
  const ahead = BigInt(Date.now()) * 1_000n + HOUR
  await server.cli('SET', key as string, String(ahead))
  const tokens = [ahead]
  for (let i = 0; i < 4; i++) {
    const { locks } = await open(t, { redis: client(t, server), namespace })
    const holds = i < 2 ? locks.acquire('key') : locks.semaphore('key', { permits: 1 }).acquire()
    await using held = await holds
    t.ok(held.fencingToken > (tokens.at(-1) as bigint), String(held.fencingToken))
    tokens.push(held.fencingToken)
  }
})

t.test('it grows over the turn of a second, and has 16 digits all the time', async (t) => {
  const server = await start(t)
  const { locks } = await open(t, { redis: client(t, server) })
  const counted = locks.semaphore('key', { permits: 1 })
  const holds = [() => locks.acquire('key'), () => counted.acquire()]
  const begun = performance.now()
  let last = 0n
  let wrong = 0
  for (let i = 0; performance.now() - begun < 1_200; i++) {
    await using held = await (holds[i % 2] as (typeof holds)[0])()
    if (held.fencingToken <= last || String(held.fencingToken).length !== 16) wrong++
    last = held.fencingToken
  }
  t.equal(wrong, 0)
})

t.test(
  'of a process that has seen a token, later ones are greater also when Redis lost it and its clock is behind',
  async (t) => {
    const server = await start(t)
    const { locks, namespace } = await open(t, { redis: client(t, server) })
    await (await locks.acquire('key')).release()
    const [key] = await fences(server, namespace)
    const ahead = BigInt(Date.now()) * 1_000n + HOUR
    await server.cli('SET', key as string, String(ahead))
    const seen = await locks.acquire('key')
    await server.cli('FLUSHALL')
    const after = await locks.acquire('key')
    await server.cli('FLUSHALL')
    const counted = await locks.semaphore('key', { permits: 1 }).acquire()
    t.ok(seen.fencingToken > ahead)
    t.ok(after.fencingToken > seen.fencingToken)
    t.ok(counted.fencingToken > after.fencingToken)
  },
)

t.test('what somebody else wrote into the counter does not lower it', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const first = await locks.acquire('key')
  await first.release()
  const [key] = await fences(server, namespace)
  for (const nonsense of ['nonsense', '', '-5', '99']) {
    await server.cli('SET', key as string, nonsense)
    const next = await locks.acquire('key')
    t.ok(next.fencingToken > first.fencingToken, nonsense)
    await next.release()
  }
})

t.test('the counters are few, and never expire', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  for (let i = 0; i < 600; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, j) => locks.using(['key', i + j], () => {})))
  }
  const keys = await fences(server, namespace)
  t.ok(keys.length > 128 && keys.length <= 256)
  for (const key of keys.slice(0, 3)) t.equal(await server.cli('PTTL', key), -1)
})

t.test('a holder that was stopped past its lease is refused by what the lock protects', async (t) => {
  const server = await start(t)
  const resource = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(new URL('./workers/holder.js', import.meta.url), {
    env: { REDIS: server.url, NAMESPACE: namespace, RESOURCE: resource.url },
  })
  t.teardown(() => worker.stop())
  t.equal(await worker.call('enter', 'key', { ttl: 300 }), 0)
  await worker.pause()
  const lock = await locks.acquire('key')
  const token = String(lock.fencingToken)
  const enter = () => resource.cli<number>('EVAL', ENTER, 4, 'fence', 'value', 'owners', 'twice', token, 'test')
  const value = await enter()
  worker.resume()
  t.equal(await worker.call('write', 'key', 100), -1)
  t.equal(await worker.call('enterAgain', 'key'), -1)
  t.equal(await resource.cli('EVAL', WRITE, 3, 'fence', 'value', 'writes', token, value + 1), 1)
  t.equal(await resource.cli('GET', 'value'), '1')
  t.equal(await worker.call('release', 'key'), 'stolen')
  t.equal(await lock.release(), 'released')
})

t.test('requireReplicas: the lease counts when as many replicas have it', async (t) => {
  const group = await startSentinel()
  t.teardown(() => group.stop())
  const redis = group.client()
  const { locks } = await open(t, { redis, deadline: '2s' })
  const lock = await locks.acquire('key', { requireReplicas: 1, ttl: '1m' })
  t.equal(lock.held, true)
  const permit = await locks.semaphore('key', { permits: 1, requireReplicas: 1 }).acquire()
  t.equal(await permit.release(), 'released')
  const error = await locks.acquire('other', { requireReplicas: 2 }).catch((error) => error)
  t.match(error, { code: 'LARDER_LOCKS_REPLICAS', message: /needs 2 replicas, 1 confirmed/, statusCode: 503 })
  t.equal(await (await locks.acquire('other', { wait: '1s' })).release(), 'released')
  await group.replica.pause()
  const begun = performance.now()
  t.equal(await codeOf(locks.acquire('other', { requireReplicas: 1 })), 'LARDER_LOCKS_REPLICAS')
  t.ok(performance.now() - begun < 5_000)
  group.replica.resume()
  // After a failover to the replica that has the lease, nobody else gets it.
  await group.nextPrimary(() => group.primary.kill())
  await pollUntil('the new primary', async () => (await codeOf(locks.tryAcquire('key'))) === undefined)
  t.equal(lock.held, true)
  t.equal(await locks.tryAcquire('key'), undefined)
  t.equal(await lock.release(), 'released')
})

t.test('requireReplicas on Cluster and in memory', async (t) => {
  const cluster = await sharedCluster()
  const redis = cluster.client()
  t.teardown(() => redis.disconnect())
  const { locks } = await open(t, { redis, requireReplicas: 1, deadline: '1s' })
  t.equal(await codeOf(locks.acquire('key')), 'LARDER_LOCKS_REPLICAS')
  const none = await locks.acquire('key', { requireReplicas: 0 })
  t.equal(await none.release(), 'released')
  const memory = await open(t, { redis: false, requireReplicas: 1 })
  t.equal(await codeOf(memory.locks.acquire('key')), 'LARDER_LOCKS_REPLICAS')
  t.equal(await (await memory.locks.acquire('key', { requireReplicas: 0 })).release(), 'released')
  t.equal(
    await memory.locks.using('short', { requireReplicas: 0, ttl: 30, renew: false }, lost).then(({ name }) => name),
    'FastifyError',
  )
})
