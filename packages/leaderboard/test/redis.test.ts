import type { Board } from '@larder/leaderboard'
import { pollUntil, type RedisServer, sharedRedis, startRedis, uniqueNamespace } from '@larder/test-redis'
import { Redis } from 'ioredis'
import t from 'tap'
import { Board as OpenBoard } from '../dist/board.js'
import { RedisStore } from '../dist/redis-store.js'
import { MOVED, type Place } from '../dist/store.js'
import { client, codeOf, lines, open, type T } from './setup.js'

const UNAVAILABLE = 'LARDER_LEADERBOARD_UNAVAILABLE'

async function ownServer(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

/** Every call of a board. */
function calls(board: Board): Promise<unknown>[] {
  return [
    board.increment('ann'),
    board.set('ann', 1),
    board.remove('ann'),
    board.clear(),
    board.top(3),
    board.rank('ann'),
    board.around('ann', 1),
    board.count(),
  ]
}

t.test('each call is one command', async (t) => {
  const server = await ownServer(t)
  const { leaderboards } = await open(t, { redis: client(t, server) })
  const forever = leaderboards.board('forever')
  const daily = leaderboards.board('daily', { window: 'day' })
  for (const board of [forever, daily]) await Promise.all(calls(board))
  await server.resetCommandCounts()
  for (const board of [forever, daily])
    for (const call of [() => board.increment('ann'), () => board.rank('ann')]) await call()
  for (const board of [forever, daily])
    for (const call of [() => board.around('ann', 2), () => board.remove('ann')]) await call()
  for (const board of [forever, daily]) for (const call of [() => board.top(3), () => board.count()]) await call()
  const { evalsha, zrevrange, zcard, del, exists } = await server.commandCounts()
  t.match({ evalsha, exists }, { evalsha: 8, exists: undefined })
  t.ok((zrevrange ?? 0) === 4 && (zcard ?? 0) >= 2, 'two by themselves, two inside scripts')
  t.equal(del, 2, 'the last member takes its board with it')
})

t.test('scores are the same over RESP2 and RESP3, in either of its shapes', async (t) => {
  const server = await sharedRedis()
  const namespace = uniqueNamespace()
  const options = [{ protocol: 2 }, { protocol: 3 }, { protocol: 3, replyMapping: 'resp3' }] as const
  for (const option of options) {
    const redis = new Redis({ ...option, host: server.host, port: server.port })
    t.teardown(() => redis.disconnect())
    const { leaderboards } = await open(t, { redis, namespace })
    const board = leaderboards.board('resp')
    await board.set('a', 0.1)
    await board.set('b', -1e300)
    t.equal(lines(await board.top(3)), 'a 0.1, b -1e+300')
    t.equal(lines(await board.around('b', 1)), 'a 0.1, b -1e+300')
    t.strictSame(await board.rank('b'), { member: 'b', score: -1e300, rank: 2 })
  }
})

t.test('a window belongs to the time of the server, whatever this process believes', async (t) => {
  const server = await ownServer(t)
  const redis = client(t, server)
  const { leaderboards, namespace } = await open(t, { redis })
  const board = leaderboards.board('late', { window: 'day', timeZone: 'UTC' })
  await board.increment('ann')
  const [key] = (await redis.keys(`${namespace}:board:*`)) as [string]
  const today = new Date(Number((await redis.time())[0]) * 1_000).toISOString().slice(0, 10)
  t.equal(key, `${namespace}:board:{late}:first:day:UTC:${today}`)
  for (const name of [key, key.replace(':board:', ':member:')]) {
    const left = await redis.pttl(name)
    t.ok(left > 7 * 86_400_000 && left <= 8 * 86_400_000, 'kept for seven windows after its own')
  }
  t.equal(await redis.pttl(key.replace('board', 'member').replace('day', 'week')), -2)
})

t.test('a board of which one key was lost begins anew, whole', async (t) => {
  const server = await sharedRedis()
  const redis = client(t, server)
  const { leaderboards, namespace } = await open(t, { redis })
  for (const lost of ['board', 'member']) {
    const board = leaderboards.board(lost)
    for (const member of ['ann', 'bob', 'cat']) await board.increment(member, 5)
    t.equal(await redis.del(`${namespace}:${lost}:{${lost}}:first:all`), 1)
    t.equal(await board.rank('ann'), undefined)
    t.equal(await board.increment('bob'), 1)
    t.equal(lines(await board.top(9)), 'bob 1')
    t.equal(await board.count(), 1)
    t.strictSame(await board.rank('bob'), { member: 'bob', score: 1, rank: 1 })
  }
})

t.test('without windows a board has no expiry, and what is empty leaves nothing but the last answer', async (t) => {
  const redis = client(t, await sharedRedis())
  const { leaderboards, namespace } = await open(t, { redis })
  const board = leaderboards.board('x')
  await board.increment('ann')
  t.equal(await redis.pttl(`${namespace}:board:{x}:first:all`), -1)
  await board.remove('ann')
  const [frame, ...others] = (await redis.keys(`${namespace}:*`)) as [string]
  t.match(frame, /:frame:\{x\}:first:all:/)
  t.ok((await redis.ttl(frame)) > 3_000)
  t.strictSame(others, [])
})

t.test(
  'while Redis hangs every call rejects by the deadline, then at once; nothing acknowledged is lost',
  async (t) => {
    const server = await ownServer(t)
    const { leaderboards } = await open(t, { redis: client(t, server), deadline: 100 })
    const board = leaderboards.board('x')
    for (let i = 0; i < 5; i++) await board.increment('ann', 2)
    await server.pause()
    const begun = performance.now()
    for (const code of await Promise.all(calls(board).map(codeOf))) t.equal(code, UNAVAILABLE)
    const limit = 2_000
    t.ok(performance.now() - begun < limit)
    const again = performance.now()
    t.equal(await codeOf(board.increment('ann')), UNAVAILABLE)
    t.ok(performance.now() - again < 90, 'the breaker is open')
    server.resume()
    await pollUntil('Redis to be used again', async () => (await codeOf(board.count())) === undefined)
    // Those that missed the deadline may have been run by now, but nothing else has.
    t.ok([undefined, 1].includes((await board.rank('ann'))?.rank))
  },
)

t.test('an application starts while Redis is dead, and its boards come with it', async (t) => {
  const server = await ownServer(t)
  const redis = client(t, server, { lazyConnect: true, maxRetriesPerRequest: 1 })
  await server.kill()
  const { leaderboards } = await open(t, { redis, deadline: 100 })
  const board = leaderboards.board('x', { window: 'week' })
  for (const code of await Promise.all(calls(board).map(codeOf))) t.equal(code, UNAVAILABLE)
  t.equal(await codeOf(board.window()), UNAVAILABLE)
  await server.start()
  await pollUntil('Redis to be used', async () => (await codeOf(board.increment('ann'))) === undefined)
  t.equal(lines(await board.top(1)), 'ann 1')
})

t.test('a server that refuses is unavailable, its words are the cause', async (t) => {
  const redis = client(t, await sharedRedis())
  const { leaderboards, namespace } = await open(t, { redis })
  await redis.set(`${namespace}:board:{x}:first:all`, 'a string')
  const error = (await leaderboards
    .board('x')
    .top(1)
    .catch((error) => error)) as Error & { code: string; cause: Error }
  t.equal(error.code, UNAVAILABLE)
  t.match(error.message, /The leaderboard `x` cannot be had: WRONGTYPE/)
  t.match(error.cause.message, /WRONGTYPE/)
})

const WINDOW = 50

/** Windows so short that a test sees many of them end. */
function placeAt(now: number): Place {
  const start = Math.floor(now / WINDOW) * WINDOW
  const period = { id: String(start), start, end: start + WINDOW, expires: start + 60_000 }
  return { name: 'short', key: period.id, tie: 'first', period }
}

t.test('no change is counted in a window that is over, or has not begun', async (t) => {
  const server = await sharedRedis()
  const namespace = uniqueNamespace()
  const store = new RedisStore(client(t, server), { namespace, deadline: 1_000, log: { warn() {}, info() {} } })
  t.teardown(() => store.close())
  const now = await store.now()
  for (const time of [now - WINDOW, now + 10_000]) {
    t.equal(await store.change(placeAt(time), { member: 'ann', how: 'by', amount: 1 }), MOVED)
    t.equal(await store.remove(placeAt(time), 'ann'), MOVED)
    t.equal(await store.count(placeAt(time)), 0)
  }
})

t.test('over many ends of windows each increment is counted once, in the window that the server had', async (t) => {
  const server = await sharedRedis()
  const namespace = uniqueNamespace()
  const counted = new Map<string, number>()
  const write = async (): Promise<void> => {
    const store = new RedisStore(client(t, server), { namespace, deadline: 1_000, log: { warn() {}, info() {} } })
    t.teardown(() => store.close())
    let place = placeAt(await store.now())
    const at = async () => {
      place = placeAt(await store.now())
      return place
    }
    const board = new OpenBoard({ store, place: at, call: async (_operation, run) => run() }, 2)
    const end = performance.now() + 20 * WINDOW
    while (performance.now() < end) {
      await board.increment('ann')
      counted.set(place.key, (counted.get(place.key) ?? 0) + 1)
    }
  }
  await Promise.all([write(), write(), write()])
  t.ok(counted.size > 10)
  const store = new RedisStore(client(t, server), { namespace, deadline: 1_000, log: { warn() {}, info() {} } })
  t.teardown(() => store.close())
  for (const [key, sum] of counted) t.equal((await store.rank(placeAt(Number(key)), 'ann'))?.score, sum)
})
