import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Board } from '@larder/leaderboard'
import { pollUntil, type RedisEndpoint, startCluster, startProxy, startRedis, type TcpProxy } from '@larder/test-redis'
import { Redis } from 'ioredis'
import t from 'tap'
import { client, codeOf, lines, open, type T } from './setup.js'

/** A board over a connection that can be broken, and the same board over one that is sound. */
async function farAndNear(
  t: T,
  { resends = true, deadline = 20_000 }: { resends?: boolean; deadline?: number } = {},
): Promise<{ proxy: TcpProxy; far: Board; near: Board }> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  const redis = new Redis(proxy.url, { retryStrategy: () => 20, autoResendUnfulfilledCommands: resends })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  const one = await open(t, { redis, deadline })
  const other = await open(t, { redis: client(t, server), namespace: one.namespace })
  return { proxy, far: one.leaderboards.board('cut'), near: other.leaderboards.board('cut') }
}

/** Increments as fast as it goes until told otherwise. */
function load(board: Board, loops: number): { stop(): Promise<{ acknowledged: number; rejected: number }> } {
  const counts = { acknowledged: 0, rejected: 0 }
  let going = true
  const work = Array.from({ length: loops }, async () => {
    while (going) {
      await board.increment('ann').then(
        () => counts.acknowledged++,
        () => counts.rejected++,
      )
      await delay(1)
    }
  })
  const stop = async (): Promise<typeof counts> => {
    going = false
    await Promise.all(work)
    return counts
  }
  return { stop }
}

t.test('a change whose answer was lost is carried out once, whatever happens before it comes again', async (t) => {
  const { proxy, far, near } = await farAndNear(t)
  await near.set('bob', 1)
  await far.count()
  /** Redis carries it out, and the answer is lost with the connection; the client sends it again on the next one. */
  const lost = async <A>(
    call: () => Promise<A>,
    done: () => Promise<boolean>,
    meanwhile: () => unknown,
  ): Promise<A> => {
    proxy.drop('toClient')
    const answer = call()
    await pollUntil('Redis to carry it out', done)
    await meanwhile()
    await proxy.restore()
    return answer
  }
  const scoreIs = (member: string, score: number | undefined) => async () => (await near.rank(member))?.score === score

  t.equal(
    await lost(
      () => far.increment('ann', 5),
      scoreIs('ann', 5),
      () => near.increment('ann', 10),
    ),
    5,
  )
  t.equal((await near.rank('ann'))?.score, 15, 'not 20')
  t.equal(
    await lost(
      () => far.set('ann', 3),
      scoreIs('ann', 3),
      () => near.set('ann', 7),
    ),
    3,
  )
  t.equal((await near.rank('ann'))?.score, 7, 'the older score does not come back')
  t.equal(
    await lost(
      () => far.remove('ann'),
      scoreIs('ann', undefined),
      () => near.set('ann', 9),
    ),
    true,
  )
  t.equal((await near.rank('ann'))?.score, 9, 'who came back stays')
  await lost(
    () => far.clear(),
    async () => (await near.count()) === 0,
    () => near.set('cat', 2),
  )
  t.equal(lines(await near.top(9)), 'cat 2', 'what came after the clearing stays')
})

t.test('a frame of several changes whose answer was lost is carried out once', async (t) => {
  const { proxy, far, near } = await farAndNear(t)
  await near.set('bob', 1)
  proxy.delay(100)
  const first = far.increment('zoe')
  const many = Promise.all(['ann', 'bob', 'ann', 'cat'].map((member) => far.increment(member)))
  // They go out together when the first one is answered.
  await pollUntil('Redis to carry them out', async () => (await near.rank('ann'))?.score === 2)
  t.equal(await first, 1)
  proxy.drop('toClient')
  await near.increment('ann')
  await proxy.restore()
  t.strictSame(await many, [1, 2, 2, 1])
  t.equal(lines(await near.top(9)), 'ann 3, bob 2, zoe 1, cat 1')
})

t.test('a change that Redis never saw is carried out once', async (t) => {
  const { proxy, far, near } = await farAndNear(t)
  await near.set('bob', 1)
  await far.count()
  for (let round = 1; round <= 3; round++) {
    proxy.drop('toServer')
    const answer = far.increment('ann')
    await delay(20)
    t.equal((await near.rank('ann'))?.score, round === 1 ? undefined : round - 1)
    await proxy.restore()
    t.equal(await answer, round)
  }
})

t.test('connections that are cut 20 times under load lose and double nothing', async (t) => {
  const { proxy, far, near } = await farAndNear(t)
  await far.count()
  const loaded = load(far, 20)
  for (let round = 0; round < 20; round++) {
    await delay(20 + Math.random() * 30)
    if (round % 3 === 0) proxy.drop(round % 2 ? 'toClient' : 'toServer')
    if (round % 3 === 0) await delay(10)
    await proxy.restore()
    proxy.cut()
    await pollUntil('Redis to be used again', async () => (await codeOf(far.count())) === undefined)
  }
  const { acknowledged, rejected } = await loaded.stop()
  t.comment(`${acknowledged} acknowledged, ${rejected} refused while the connection was known to be gone`)
  t.ok(acknowledged > 500)
  t.equal((await near.rank('ann'))?.score, acknowledged)
})

t.test('with a client that does not send again, what rejects was carried out once or not at all', async (t) => {
  const { proxy, far, near } = await farAndNear(t, { resends: false, deadline: 200 })
  const loaded = load(far, 5)
  for (let round = 0; round < 5; round++) {
    await delay(30)
    proxy.cut()
    await pollUntil('Redis to be used again', async () => (await codeOf(far.count())) === undefined)
  }
  const { acknowledged, rejected } = await loaded.stop()
  const score = (await near.rank('ann'))?.score ?? 0
  t.ok(acknowledged > 0 && score >= acknowledged && score <= acknowledged + rejected, `${acknowledged} ${score}`)
})

t.test('on Cluster neither connections that are cut nor a shard that moves double anything', async (t) => {
  const cluster = await startCluster({ masters: 2 })
  t.teardown(() => cluster.stop())
  const redis = cluster.client()
  const { leaderboards } = await open(t, { redis, deadline: 20_000 })
  const board = leaderboards.board('cut')
  await board.set('ann', 0)
  const loaded = load(board, 20)
  for (let round = 0; round < 10; round++) {
    await delay(30)
    for (const node of cluster.nodes) await node.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  }
  const [one, two] = cluster.nodes
  if (!one || !two) throw new Error('two nodes were asked for')
  const moving = await slot(one, 'cut')
  const isHere = (await one.cli<number>('CLUSTER', 'COUNTKEYSINSLOT', moving)) > 0
  await cluster.reshard({ from: isHere ? one : two, to: isHere ? two : one, slots: [moving] })
  await delay(50)
  const { acknowledged } = await loaded.stop()
  await pollUntil('Redis to be used again', async () => (await codeOf(board.count())) === undefined)
  t.ok(acknowledged > 100, `${acknowledged}`)
  t.equal((await board.rank('ann'))?.score, acknowledged)
})

async function slot(node: RedisEndpoint, name: string): Promise<number> {
  return Number(await node.cli<number>('CLUSTER', 'KEYSLOT', `{${name}}`))
}

t.test('the script answers a frame that comes again as before, and refuses one that comes too late', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const redis = client(t, server)
  const source = readFileSync(new URL('../dist/update.lua', import.meta.url), 'utf8')
  const send = async (process: string, frame: number): Promise<number> => {
    const keys = ['{x}board', '{x}member', `{x}frame:${process}`]
    const args = [String(frame), 'first', '', 'ann', 'by', '1']
    return ((await redis.callBuffer('EVAL', source, '3', ...keys, ...args)) as Buffer).readDoubleBE()
  }
  t.equal(await send('p', 7), 1)
  t.equal(await send('q', 1), 2)
  t.equal(await send('p', 7), 1, 'as it was answered then')
  t.equal(await send('p', 9), 3)
  await t.rejects(send('p', 8), { message: /^LATE/ })
  t.equal((await redis.zrange('{x}board', '0', '0', 'WITHSCORES'))[1], '3')
  t.ok((await redis.ttl('{x}frame:p')) > 3_000)
})
