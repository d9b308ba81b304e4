import {
  SHARED_CLUSTER,
  SHARED_REDIS,
  sharedCluster,
  sharedRedis,
  startCluster,
  startSentinel,
  uniqueNamespace,
} from '@larder/test-redis'
import t from 'tap'

t.test('a cluster of three masters', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())

  await t.test('serves all slots at once', async (t) => {
    const redis = cluster.client()
    await cluster.resetCommandCounts()
    const keys = Array.from({ length: 50 }, (_, index) => `key${index}`)
    await Promise.all(keys.map((key) => redis.set(key, key)))
    t.same(await Promise.all(keys.map((key) => redis.get(key))), keys)
    const { get, set } = await cluster.commandCounts()
    t.same({ get, set }, { get: 50, set: 50 })
    t.equal(cluster.seeds.length, 3)
  })

  await t.test('moves slots while clients write', async (t) => {
    const redis = cluster.client()
    const [from, to] = cluster.nodes
    if (!from || !to) return t.fail('three nodes')
    const slot = await cluster.slotOf('{moving}')
    const owner = await cluster.nodeOf('{moving}')
    const other = owner === from ? to : from
    for (let index = 0; index < 250; index++) await redis.set(`{moving}${index}`, index)
    let writing = true
    let written = 0
    const writer = (async () => {
      while (writing) await redis.set(`{moving}${written++ % 500}`, 'new')
    })()
    t.same(await cluster.reshard({ from: owner, to: other, slots: [slot] }), [slot])
    writing = false
    await writer
    t.ok(written > 0)
    t.equal(await cluster.nodeOf('{moving}'), other)
    t.equal(await other.cli('CLUSTER', 'COUNTKEYSINSLOT', slot), Math.max(250, Math.min(written, 500)))
    t.equal(await owner.cli('CLUSTER', 'COUNTKEYSINSLOT', slot), 0)
    const moved = await cluster.reshard({ from: other, to: owner, slots: 20 })
    t.equal(moved.length, 20)
    await cluster.ready()
  })

  await t.test('a suspended node says nothing until it is resumed', async (t) => {
    const node = await cluster.nodeOf('paused')
    const redis = cluster.client()
    await redis.set('paused', 1)
    await node.pause()
    let answered = false
    const answer = redis.get('paused').finally(() => {
      answered = true
    })
    const [other] = cluster.nodes.filter((candidate) => candidate !== node)
    await other?.cli('PING')
    t.notOk(answered)
    node.resume()
    t.equal(await answer, '1')
  })

  await t.test('takes a killed node back where it was, empty', async (t) => {
    const node = await cluster.nodeOf('lost')
    const redis = cluster.client()
    await redis.set('lost', 1)
    await node.restart()
    await cluster.ready()
    t.equal(await cluster.nodeOf('lost'), node)
    t.equal(await redis.get('lost'), null)
  })

  await t.test('can be shared by the tests of a run', async (t) => {
    process.env[SHARED_CLUSTER] = cluster.seeds.map(({ host, port }) => `${host}:${port}`).join()
    process.env[SHARED_REDIS] = cluster.nodes[0]?.url
    t.teardown(() => {
      delete process.env[SHARED_CLUSTER]
      delete process.env[SHARED_REDIS]
    })
    const shared = await sharedCluster()
    const key = `${uniqueNamespace()}:key`
    await shared.client().set(key, 1)
    await shared.stop()
    t.equal(await cluster.client().get(key), '1')
    t.equal((await sharedRedis()).port, cluster.nodes[0]?.port)
  })
})

t.test('a cluster with replicas fails over without losing a write', async (t) => {
  const cluster = await startCluster({ masters: 3, replicas: 1 })
  t.teardown(() => cluster.stop())
  t.equal(cluster.nodes.length, 6)
  const redis = cluster.client()
  await redis.set('key', 1)
  const before = await cluster.nodeOf('key')
  const replica = cluster.nodes[cluster.nodes.indexOf(before) + 3]
  if (!replica) return t.fail('a replica')
  await cluster.failover(replica)
  t.equal(await cluster.nodeOf('key'), replica)
  t.equal(await redis.get('key'), '1')
})

t.test('a Sentinel group fails over on demand, and clients follow', async (t) => {
  const group = await startSentinel()
  t.teardown(() => group.stop())
  const { primary, replica } = group
  const redis = group.client()
  await redis.set('key', 1)
  await redis.wait(1, 0)
  t.equal(await group.failover(), replica)
  t.equal(group.primary, replica)
  t.equal(group.replica, primary)
  const fresh = group.client()
  await fresh.set('key', 2)
  t.equal(await replica.cli('GET', 'key'), '2')
})

t.test('a Sentinel group fails over when the primary dies', async (t) => {
  const group = await startSentinel()
  t.teardown(() => group.stop())
  const { primary, replica } = group
  const redis = group.client()
  await redis.set('key', 1)
  await redis.wait(1, 0)
  t.equal(await group.nextPrimary(() => primary.kill()), replica)
  t.equal(await group.client().get('key'), '1')
})
