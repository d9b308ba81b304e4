import { encodeTag, type Namespace } from '@larder/core'
import {
  type ClusterClientOptions,
  pollUntil,
  type RedisCluster,
  type RedisServer,
  type SentinelGroup,
  startCluster,
  startProxy,
  startSentinel,
} from '@larder/test-redis'
import { type Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Ear, namespaceOf, type T, trusted } from './setup.js'

// They mostly wait for servers.
t.jobs = 5

function clusterClient(t: T, cluster: RedisCluster, options?: ClusterClientOptions): Cluster {
  const redis = cluster.client(options)
  t.teardown(() => redis.disconnect())
  return redis
}

/** Keys of the namespace, one on each of these nodes. */
async function keysOn(cluster: RedisCluster, namespace: Namespace, nodes: readonly RedisServer[]): Promise<string[]> {
  const keys: string[] = []
  for (const node of nodes) {
    for (let i = 0; ; i++) {
      if ((await cluster.nodeOf(namespace.entryKey(`key ${i}`))) !== node || keys.includes(`key ${i}`)) continue
      keys.push(`key ${i}`)
      break
    }
  }
  return keys
}

async function write(cluster: RedisCluster, namespace: Namespace, key: string): Promise<void> {
  const name = namespace.entryKey(key)
  await (await cluster.nodeOf(name)).cli('SET', name, Math.random())
}

/** The connections of feeds to a node. */
async function feeds(node: RedisServer): Promise<number> {
  const list = await node.cli<string>('CLIENT', 'LIST')
  return list.split('\n').filter((line) => line.includes('name=larder-feed')).length
}

t.test('a Cluster of three', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())

  await t.test('has one connection more a process and master, over which each of them is heard', async (t) => {
    const namespace = namespaceOf({ teardown: () => {} }, clusterClient(t, cluster))
    const ear = Ear.of(t, namespace)
    await trusted(namespace)
    t.same(await Promise.all(cluster.nodes.map(feeds)), [1, 1, 1])
    for (const key of await keysOn(cluster, namespace, cluster.nodes)) {
      await write(cluster, namespace, key)
      await ear.until(key)
    }
    const tag = encodeTag('tag')
    const { changes } = namespace.epochs
    await namespace.epochs.ensure([tag], 1_000)
    await pollUntil('the tag', () => namespace.epochs.changes > changes)
    await (cluster.nodes[1] as RedisServer).cli('FLUSHALL')
    await ear.until('all')
    namespace.release()
    await pollUntil('the links to be gone', async () =>
      (await Promise.all(cluster.nodes.map(feeds))).every((count) => count === 0),
    )
  })

  await t.test('is distrusted as a whole when one link is lost, at once or after the limit', async (t) => {
    const [first] = cluster.nodes as [RedisServer]
    const proxy = await startProxy(first)
    t.teardown(() => proxy.stop())
    const redis = clusterClient(t, cluster)
    const heartbeat = 500
    // The feed of the first node goes through the proxy.
    redis.on('+node', (node: Redis) => {
      if (node.options.port !== first.port) return
      node.duplicate = (override) => Redis.prototype.duplicate.call(node, { ...override, port: proxy.port })
    })
    const namespace = namespaceOf(t, redis, { heartbeat })
    const ear = Ear.of(t, namespace)
    await trusted(namespace)
    t.equal(proxy.connections, 1)
    ear.events.length = 0
    let trustAtLoss: boolean | undefined
    const end = namespace.feed.listen([`${namespace.name}:v:`], {
      heard: () => {},
      lost: () => {
        trustAtLoss = namespace.trusted()
      },
      forget: () => {},
      recover: async () => {},
    })
    proxy.cut()
    await ear.until('distrusted')
    await ear.until('all')
    t.equal(trustAtLoss, false)
    end()
    await trusted(namespace)
    proxy.drop()
    const dropped = performance.now()
    await pollUntil('the end of trust', () => !namespace.trusted())
    const held = performance.now() - dropped
    t.ok(held <= heartbeat + 60, `trusted for ${held} of ${heartbeat} ms`)
    await proxy.restore()
    await trusted(namespace)
  })

  await t.test('stays heard while slots are moved', async (t) => {
    const namespace = namespaceOf(t, clusterClient(t, cluster))
    const ear = Ear.of(t, namespace)
    await trusted(namespace)
    const [from, to] = cluster.nodes as [RedisServer, RedisServer]
    const [key] = (await keysOn(cluster, namespace, [from])) as [string]
    await write(cluster, namespace, key)
    await ear.until(key)
    await cluster.reshard({ from, to, slots: [await cluster.slotOf(namespace.entryKey(key))] })
    await ear.until(key)
    t.equal(await cluster.nodeOf(namespace.entryKey(key)), to)
    for (let i = 0; i < 3; i++) {
      await write(cluster, namespace, key)
      await ear.until(key)
    }
    t.ok(namespace.trusted())
  })
})

t.test(
  'a master that comes is heard before anything of it is trusted, one that goes takes no trust with it',
  async (t) => {
    // The last node takes all slots of the first, which stays an empty master.
    const cluster = await startCluster({ masters: 4, args: ['--cluster-allow-replica-migration', 'no'] })
    t.teardown(() => cluster.stop())
    const redis = clusterClient(t, cluster)
    const namespace = namespaceOf(t, redis, { heartbeat: 1_000 })
    const ear = Ear.of(t, namespace)
    await trusted(namespace)
    const [first, , , last] = cluster.nodes as [RedisServer, RedisServer, RedisServer, RedisServer]
    const others = cluster.nodes.slice(1)
    await first.cli('CLUSTER', 'FLUSHSLOTS')
    await last.cli('CLUSTER', 'DELSLOTSRANGE', 0, 4095)
    await last.cli('CLUSTER', 'ADDSLOTSRANGE', 0, 4095)
    await pollUntil('all to know', async () => {
      const views = await Promise.all(cluster.nodes.map((node) => node.cli<string>('CLUSTER', 'NODES')))
      return views.every((view) =>
        view.split('\n').some((line) => / 0-4095/.test(line) && line.includes(`:${last.port}@`)),
      )
    })
    const gone = new Promise<void>((resolve) => redis.once('-node', () => resolve()))
    redis.refreshSlotsCache()
    await gone
    await trusted(namespace)
    t.equal(await feeds(first), 0)
    for (const key of await keysOn(cluster, namespace, others)) {
      await write(cluster, namespace, key)
      await ear.until(key)
    }

    let trustAtArrival: boolean | undefined
    redis.once('+node', () => {
      trustAtArrival = namespace.trusted()
    })
    await cluster.reshard({ from: last, to: first, slots: Array.from({ length: 100 }, (_, slot) => slot) })
    // The client learns of it by a redirection; what that reads is not known before its node is heard.
    const moved = await pollForKey(cluster, namespace, first)
    t.equal(await redis.get(namespace.entryKey(moved)), null)
    t.equal(trustAtArrival, false)
    await trusted(namespace)
    t.equal(await feeds(first), 1)
    await write(cluster, namespace, moved)
    await ear.until(moved)
  },
)

async function pollForKey(cluster: RedisCluster, namespace: Namespace, node: RedisServer): Promise<string> {
  for (let i = 0; ; i++) {
    if ((await cluster.nodeOf(namespace.entryKey(`key ${i}`))) === node) return `key ${i}`
  }
}

t.test('a Cluster that fails over is heard over its new master', async (t) => {
  const cluster = await startCluster({ masters: 3, replicas: 1, args: ['--cluster-replica-validity-factor', '0'] })
  t.teardown(() => cluster.stop())
  const redis = clusterClient(t, cluster)
  const namespace = namespaceOf(t, redis, { heartbeat: 1_000 })
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  const [first] = cluster.nodes as [RedisServer]
  const [key] = (await keysOn(cluster, namespace, [first])) as [string]
  const replica = cluster.nodes[3] as RedisServer

  await t.test('by hand', async (t) => {
    await cluster.failover(replica)
    t.equal(await cluster.nodeOf(namespace.entryKey(key)), replica)
    // The redirection tells the client.
    await redis.get(namespace.entryKey(key))
    await pollUntil('the new master to be heard', async () => (await feeds(replica)) === 1)
    await trusted(namespace)
    await write(cluster, namespace, key)
    await ear.until(key)
  })

  await t.test('by a death', async (t) => {
    let applied = 0
    await namespace.outbox?.run({ id: 'acknowledged', apply: async () => applied++ })
    ear.events.length = 0
    await replica.kill()
    await ear.until('distrusted')
    await pollUntil('the failover', async () => {
      const view = await (cluster.nodes[1] as RedisServer).cli<string>('CLUSTER', 'NODES')
      return view.split('\n').some((line) => line.includes(`:${first.port}@`) && line.includes('master'))
    })
    await pollUntil('the client to know', async () => (await redis.set(namespace.entryKey(key), 1)) === 'OK')
    await trusted(namespace)
    t.ok(applied >= 2, 'what was acknowledged lately was repeated before')
    ear.events.length = 0
    await first.cli('SET', namespace.entryKey(key), 2)
    await ear.until(key)
  })
})

/** Fails a Sentinel group over, and sees that a namespace follows. */
async function sentinelFails(t: Test, fail: (group: SentinelGroup) => Promise<unknown>): Promise<void> {
  const group = await startSentinel()
  t.teardown(() => group.stop())
  const redis = group.client({ retryStrategy: () => 20, sentinelRetryStrategy: () => 20 })
  t.teardown(() => redis.disconnect())
  const namespace = namespaceOf(t, redis, { heartbeat: 1_000 })
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  let applied = 0
  await namespace.outbox?.run({ id: 'acknowledged', apply: async () => applied++ })
  const seen = await namespace.epochs.ensure([], 1_000)
  ear.events.length = 0
  const { primary } = group
  await fail(group)
  t.not(group.primary, primary)
  await ear.until('distrusted')
  await pollUntil('the client to be at the new primary', () => redis.stream.remotePort === group.primary.port)
  await pollUntil('the breaker to close', () => namespace.gate?.up === true)
  await trusted(namespace)
  t.ok(applied >= 2, 'what was acknowledged lately was repeated')
  ear.events.length = 0
  // Sentinel may name the new primary before it tells of the switch, at which the feed connects once more.
  await pollUntil('a change to be heard', async () => {
    await group.primary.cli('SET', namespace.entryKey('key'), Math.random())
    return ear.events.includes('key')
  })
  // As on a replica that had not got the clock yet:
  await group.primary.cli('SET', `{${namespace.name}}:clock`, 1)
  t.ok((await namespace.epochs.ensure([], 1_000)) > seen, 'no epoch comes again')
}

t.test('a Sentinel group that fails over by hand is heard over its new primary, although the old one answers', (t) =>
  sentinelFails(t, (group) => group.failover()),
)

t.test('a Sentinel group that fails over by a death is heard over its new primary', (t) =>
  sentinelFails(t, (group) => group.nextPrimary(() => group.primary.kill())),
)

t.test('a feed goes on when ioredis has given its connection up', async (t) => {
  const group = await startSentinel()
  t.teardown(() => group.stop())
  // Without a strategy ioredis gives up at the first question that no Sentinel answers.
  const redis = group.client({ retryStrategy: () => 20, sentinelRetryStrategy: () => null })
  t.teardown(() => redis.disconnect())
  const namespace = namespaceOf(t, redis, { heartbeat: 1_000 })
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  await group.sentinel.kill()
  await group.primary.kill()
  await pollUntil('ioredis to give up', () => redis.status === 'end')
  await ear.until('distrusted')
  await group.primary.start()
  await group.sentinel.start()
  await pollUntil('the feed to be heard', async () => (await feeds(group.primary)) === 1)
})
