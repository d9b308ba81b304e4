import { setTimeout as delay } from 'node:timers/promises'
import type { Board, Standing } from '@larder/leaderboard'
import { pollUntil, startRedis, startSentinel } from '@larder/test-redis'
import t from 'tap'
import { client, codeOf, open } from './setup.js'

const MEMBERS = ['ann', 'bob', 'cat', 'dan']

interface Counts {
  readonly acknowledged: number
  readonly unsure: number
}

/** Increments of all members until told otherwise; what was acknowledged and what may have been counted, by member. */
function load(board: Board): { acknowledged: Map<string, number>; stop(): Promise<Map<string, Counts>> } {
  const acknowledged = new Map<string, number>()
  const unsure = new Map<string, number>()
  let going = true
  const work = MEMBERS.map(async (member) => {
    while (going) {
      const counted = await board.increment(member).then(
        () => acknowledged,
        () => unsure,
      )
      counted.set(member, (counted.get(member) ?? 0) + 1)
      await delay(1)
    }
  })
  const stop = async (): Promise<Map<string, Counts>> => {
    going = false
    await Promise.all(work)
    return new Map(
      MEMBERS.map((member) => [
        member,
        { acknowledged: acknowledged.get(member) ?? 0, unsure: unsure.get(member) ?? 0 },
      ]),
    )
  }
  return { acknowledged, stop }
}

/** Fails where the ways to look at a board do not agree. */
async function assertWhole(board: Board): Promise<Map<string, number>> {
  const top = await board.top(100)
  if ((await board.count()) !== top.length) throw new Error('count and top disagree')
  for (const standing of top) {
    const found = (await board.rank(standing.member)) as Standing
    if (found.rank !== standing.rank || found.score !== standing.score) throw new Error('rank and top disagree')
  }
  return new Map(top.map(({ member, score }) => [member, score]))
}

const backInUse = (board: Board): Promise<void> =>
  pollUntil('Redis to be used again', async () => (await codeOf(board.count())) === undefined)

t.test('over a failover a board stays whole, nothing counts twice, and what the replica had is there', async (t) => {
  const group = await startSentinel()
  t.teardown(() => group.stop())
  const { app, leaderboards, namespace } = await open(t, { redis: group.client(), deadline: 500 })
  const board = leaderboards.board('failover')
  for (const member of MEMBERS) for (let i = 0; i < 50; i++) await board.increment(member)
  const key = `${namespace}:board:{failover}:first:all`
  await pollUntil('the replica to have them', async () => {
    const scores = await group.replica.cli<string[]>('ZRANGE', key, '0', '-1', 'WITHSCORES')
    return scores.filter((text) => text === '50').length === MEMBERS.length
  })
  const loaded = load(board)
  await delay(200)
  await group.failover()
  await backInUse(board)
  await delay(200)
  const counts = await loaded.stop()
  const scores = await assertWhole(board)
  for (const [member, { acknowledged, unsure }] of counts) {
    const score = scores.get(member) ?? 0
    t.ok(score >= 50 && score <= 50 + acknowledged + unsure, `${member}: ${score}, ${acknowledged}, ${unsure}`)
  }
  const before = scores.get('ann') ?? 0
  t.equal(await board.increment('ann', 2), before + 2, 'it goes on where it was')
  await app.close()
})

t.test('a Redis that is killed and reads its log loses and doubles nothing', async (t) => {
  const server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  t.teardown(() => server.stop())
  const redis = client(t, server, { retryStrategy: () => 20, maxRetriesPerRequest: null })
  const { leaderboards } = await open(t, { redis, deadline: 20_000 })
  const board = leaderboards.board('restart')
  for (const member of MEMBERS) await board.set(member, 0)
  const loaded = load(board)
  for (let round = 0; round < 5; round++) {
    await delay(100)
    await server.restart()
    await backInUse(board)
  }
  const counts = await loaded.stop()
  const scores = await assertWhole(board)
  for (const [member, { acknowledged, unsure }] of counts) {
    const score = scores.get(member) ?? 0
    t.ok(score >= acknowledged && score <= acknowledged + unsure, `${member}: ${score}, ${acknowledged}, ${unsure}`)
  }
  t.ok((scores.get('ann') ?? 0) > 20)
})

t.test('with a Redis that comes back empty, boards begin anew', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const { leaderboards } = await open(t, { redis: client(t, server, { retryStrategy: () => 20 }), deadline: 500 })
  const board = leaderboards.board('empty', { window: 'day' })
  for (const member of MEMBERS) await board.set(member, 1_000_000)
  const loaded = load(board)
  await delay(50)
  await server.restart()
  await backInUse(board)
  await delay(50)
  await loaded.stop()
  for (const [, score] of await assertWhole(board)) t.ok(score < 1_000_000)
  t.equal(await board.set('eve', 5), 5)
})
