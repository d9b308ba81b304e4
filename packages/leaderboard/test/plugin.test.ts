import { createRequire } from 'node:module'
import fastifyRedis from '@fastify/redis'
import leaderboard, {
  type LeaderboardEvent,
  type LeaderboardOptions,
  type Leaderboards,
  leaderboardChannel,
  leaderboard as named,
} from '@larder/leaderboard'
import { sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { resolveOptions } from '../dist/options.js'
import { client, codeOf, lines, open, type T } from './setup.js'

declare module '@larder/leaderboard' {
  interface LeaderboardsInstances {
    games: Leaderboards
  }
}

function app(t: T): FastifyInstance {
  const app = fastify()
  t.teardown(() => app.close())
  return app
}

t.test('import and require give the plugin itself', async (t) => {
  t.equal(named, leaderboard)
  const required = createRequire(import.meta.url)('@larder/leaderboard')
  t.equal(required, leaderboard)
  const server = app(t)
  await server.register(required, { redis: false })
  t.type(server.leaderboards.board, 'function')
})

t.test('left out, Redis is that of @fastify/redis, also under a name', async (t) => {
  const redis = client(t, await sharedRedis())
  const namespace = uniqueNamespace()
  const main = app(t)
  await main.register(fastifyRedis, { client: redis })
  await main.register(leaderboard, { namespace })
  await main.leaderboards.board('x').increment('ann')
  const other = app(t)
  await other.register(fastifyRedis, { client: redis, namespace: 'state' })
  await other.register(leaderboard, { namespace, redis: 'state' })
  t.equal(lines(await other.leaderboards.board('x').top(5)), 'ann 1')
})

t.test('without Redis it works in memory, and warns once', async (t) => {
  const logged: string[] = []
  const server = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void logged.push(line) } } })
  t.teardown(() => server.close())
  await server.register(leaderboard)
  await server.leaderboards.board('x').increment('ann')
  t.equal(logged.length, 1)
  t.match(logged[0], /@larder\/leaderboard has no Redis/)
})

t.test('a client that was supplied is left open', async (t) => {
  const redis = client(t, await sharedRedis())
  const main = fastify()
  await main.register(leaderboard, { redis, namespace: uniqueNamespace() })
  await main.leaderboards.board('x', { window: 'day' }).increment('ann')
  await main.close()
  t.equal(await redis.ping(), 'PONG')
  t.equal(redis.listenerCount('close'), 0)
})

t.test('a second registration needs a name of its own', async (t) => {
  const server = app(t)
  await server.register(leaderboard, { redis: false })
  await server.register(leaderboard, { redis: false, name: 'games', namespace: 'games' })
  await server.leaderboards.board('x').increment('ann')
  t.equal(await server.leaderboards.games.board('x').count(), 0)
  t.equal(await codeOf(server.register(leaderboard, { redis: false })), 'LARDER_DUPLICATE_NAME')
})

t.test('it can be registered inside a context', async (t) => {
  const server = app(t)
  await server.register(async (inner) => {
    await inner.register(leaderboard, { redis: false })
    inner.get('/', async () => inner.leaderboards.board('x').increment('ann'))
  })
  t.equal((await server.inject('/')).body, '1')
})

t.test('options are checked at registration', async (t) => {
  const bad: [LeaderboardOptions, RegExp][] = [
    [{ deadline: 0 }, /`deadline`/],
    [{ namespace: 'a:b' }, /`namespace`/],
    [{ timeZone: 'Nowhere' }, /`timeZone` to be a time zone such as `'Europe\/Berlin'`/],
    [{ clock: 5 as never }, /`clock` to be a function/],
    [{ window: 'day' } as never, /Unknown option `window`/],
  ]
  for (const [options, message] of bad) {
    await t.rejects(async () => app(t).register(leaderboard, { redis: false, ...options }), { message })
  }
})

t.test('the defaults are those of the documentation', async (t) => {
  t.match(resolveOptions({}), {
    namespace: 'larder',
    deadline: 1_000,
    timeZone: 'UTC',
    name: undefined,
    clock: undefined,
  })
})

t.test('the time zone of the registration is that of its boards', async (t) => {
  const clock = () => Date.parse('2024-05-01T18:00:00Z')
  const { leaderboards } = await open(t, { redis: false, timeZone: 'Asia/Tokyo', clock })
  const window = await leaderboards.board('x', { window: 'month' }).window()
  t.strictSame(window?.start, new Date('2024-05-01T00:00:00+09:00'))
})

t.test('what is asked is told on the channel, with the application that asked', async (t) => {
  const { app, leaderboards, namespace } = await open(t, { redis: false })
  const events: LeaderboardEvent[] = []
  const listen = (event: unknown) => void events.push(event as LeaderboardEvent)
  leaderboardChannel.subscribe(listen)
  t.teardown(() => leaderboardChannel.unsubscribe(listen))
  const board = leaderboards.board('x')
  await board.set('ann', 1)
  await board.top(3)
  await codeOf(board.increment('ann', Number.NaN))
  const common = { app: app.server, leaderboards: namespace, board: 'x' }
  t.match(events, [
    { ...common, operation: 'set', outcome: 'ok' },
    { ...common, operation: 'top', outcome: 'ok' },
    { ...common, operation: 'increment', outcome: 'error' },
  ])
  t.ok(events.every(({ milliseconds }) => milliseconds >= 0 && milliseconds < 10_000))
})
