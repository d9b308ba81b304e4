import { setTimeout as sleep } from 'node:timers/promises'
import type { Lock } from '@larder/locks'
import { pollUntil, startCluster } from '@larder/test-redis'
import t from 'tap'
import { noneUnhandled } from './faults.js'
import { leftOn, open, pending, queuedOn } from './setup.js'

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

t.test('on Cluster, while slots move to and fro under those who hold and wait, it is held by one', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const clients = [cluster.client(), cluster.client(), cluster.client()]
  t.teardown(() => clients.map((redis) => redis.disconnect()))
  const first = await open(t, { redis: clients[0] as (typeof clients)[0], deadline: '5s', wait: '1m' })
  const { namespace } = first
  const peers = [first]
  for (const redis of clients.slice(1)) peers.push(await open(t, { redis, namespace, deadline: '5s', wait: '1m' }))
  const held = await first.locks.acquire('key', { ttl: '5s' })
  const keys = await Promise.all(cluster.nodes.map((node) => node.cli<string[]>('KEYS', `${namespace}:lock:*`)))
  const slot = await cluster.slotOf(keys.flat()[0] as string)
  const home = await cluster.nodeOf(keys.flat()[0] as string)
  const away = cluster.nodes.find((node) => node !== home) as typeof home
  let inside = 0
  let most = 0
  let last = held.fencingToken
  let moving = true
  let works = 0
  const work = async (lock: Lock): Promise<void> => {
    most = Math.max(most, ++inside)
    t.ok(lock.fencingToken > last)
    last = lock.fencingToken
    works++
    await sleep(1)
    inside--
  }
  const loop = async (i: number): Promise<void> => {
    while (moving) await (peers[i % 3] as typeof first).locks.using('key', { ttl: '5s' }, work)
  }
  const loops = Promise.all(Array.from({ length: 9 }, (_, i) => loop(i)))
  for (const [from, to] of [
    [home, away],
    [away, home],
  ] as const) {
    await cluster.reshard({ from, to, slots: [slot] })
    t.equal(await held.extend(), 'extended')
  }
  t.equal(await held.release(), 'released')
  for (const [from, to] of [
    [home, away],
    [away, home],
    [home, away],
  ] as const) {
    await cluster.reshard({ from, to, slots: [slot] })
  }
  await pollUntil('them to have worked', () => works > 30)
  moving = false
  await loops
  t.equal(most, 1)
  t.strictSame(await leftOn(cluster.nodes, namespace), [])
})

noneUnhandled(t)
