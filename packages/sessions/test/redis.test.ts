import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { SessionEvent } from '@larder/sessions'
import { pollUntil, type RedisServer, startRedis } from '@larder/test-redis'
import t from 'tap'
import { Browser } from './browser.js'
import { client, listen, PATIENT, type T } from './setup.js'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

async function start(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

t.test('a read costs one command and sends no cookie; a change costs two', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT })
  const browser = new Browser(opened)
  await browser.post('/login/ann', { theme: 'dark' })
  await browser.post('/set', { count: 1 })
  await server.resetCommandCounts()
  t.equal((await browser.get('/')).setCookie, undefined)
  t.strictSame(await server.commandCounts(), { hgetall: 1 })
  await server.resetCommandCounts()
  await browser.post('/set', { count: 1, theme: 'dark' })
  t.strictSame(await server.commandCounts(), { hgetall: 1 }, 'writing what is there already is no change')
  await server.resetCommandCounts()
  t.equal((await browser.post('/set', { count: 2 })).setCookie, undefined)
  t.match(await server.commandCounts(), { hgetall: 1, evalsha: 1, hset: 1 })
  await server.resetCommandCounts()
  await new Browser(opened).get('/')
  t.strictSame(await server.commandCounts(), {}, 'without a cookie there is nothing to ask')
})

t.test('revokeAll beside 100,000 sessions of others: commands by the sessions of the user', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT })
  const fill = `
    for i = 1, 100000 do
      redis.call('HSET', ARGV[1] .. ':session:other' .. i, 'm', '1 9999999999999 "u' .. i .. '"', 's', '1', 'd', '{}')
      redis.call('ZADD', ARGV[1] .. ':sessions-of:{u' .. i .. '}', 9999999999999, 'other' .. i)
    end`
  await server.cli('EVAL', fill, 0, opened.namespace)
  const count = 7
  const browsers = Array.from({ length: count }, () => new Browser(opened))
  for (const browser of browsers) await browser.post('/login/ann', {})
  await opened.app.sessions.revokeAll('nobody')
  await server.resetCommandCounts()
  t.equal(await opened.app.sessions.revokeAll('ann'), count)
  const counts = await server.commandCounts()
  // Each session: one script (HMGET, DEL) and one ZREM.
  t.strictSame(
    { ...counts, evalsha: (counts.evalsha ?? 0) + (counts.eval ?? 0), eval: undefined },
    { zrange: 1, evalsha: count + (counts.eval ?? 0), eval: undefined, hmget: count, del: count, zrem: count },
  )
  t.equal(await server.cli('DBSIZE'), 200_000)
  for (const browser of browsers) t.strictSame((await browser.get('/')).body, {})
})

t.test('a key that lost its expiry ends all the same', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT })
  const browser = new Browser(opened)
  await browser.post('/login/ann', {})
  const [key = ''] = await server.cli<string[]>('KEYS', `${opened.namespace}:session:*`)
  t.equal((await browser.get('/')).body.userId, 'ann')
  await server.cli('HSET', key, 's', 1_000)
  await server.cli('PERSIST', key)
  t.strictSame((await browser.get('/')).body, {})
})

t.test('a process that dies in a rotation leaves nothing that can be used', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT })
  const browser = new Browser(opened)
  await browser.post('/login/ann', {})
  const tab = browser.copy()
  await browser.post('/rotate', {})
  for (const key of await server.cli<string[]>('KEYS', `${opened.namespace}:session:*`)) {
    if (await server.cli('HEXISTS', key, 'm')) await server.cli('DEL', key)
  }
  t.strictSame((await tab.get('/')).body, {})
  t.strictSame(await opened.app.sessions.list('ann'), [])
  t.equal(await server.cli('EXISTS', `${opened.namespace}:sessions-of:{ann}`), 0)
})

t.test('without Redis: 503 where a session is needed, an answer elsewhere', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: '100ms' })
  const browser = new Browser(opened)
  await browser.post('/login/ann', {})
  await server.pause()
  const refused = {
    status: 503,
    body: { statusCode: 503, code: 'LARDER_SESSIONS_UNAVAILABLE' },
    setCookie: undefined,
  }
  const begun = performance.now()
  const first = await browser.get('/')
  t.ok(performance.now() - begun < 1_000)
  t.match(first, refused)
  t.equal(first.headers.get('retry-after'), '1')
  const since = performance.now()
  t.match(await browser.get('/plain'), { status: 200, body: 'plain', setCookie: undefined })
  t.ok(performance.now() - since < 90, 'nobody waits once it is known')
  t.match(await new Browser(opened).get('/'), { status: 200, body: {} })
  for (const path of ['/set', '/login/bob', '/logout', '/rotate', '/destroy', '/revoke-all/ann']) {
    const answer = await browser.copy().post(path, path === '/destroy' || path === '/logout' ? undefined : {})
    t.match(answer, refused, path)
    t.equal(answer.headers.get('retry-after'), '1', path)
  }
  const anonymous = await new Browser(opened).post('/set', { count: 1 })
  t.match(anonymous, refused)
  t.equal(anonymous.headers.get('retry-after'), '1')
  t.match(await new Browser(opened).post('/login/bob', {}), refused)
  await t.rejects(opened.app.sessions.list('ann'), { code: 'LARDER_SESSIONS_UNAVAILABLE', statusCode: 503 })
  server.resume()
  await pollUntil('Redis to be back', async () => (await browser.get('/')).status === 200)
  t.equal((await browser.get('/')).body.userId, 'ann')
})

t.test('a handler of errors of your own changes nothing about Retry-After', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: '100ms' }, (app) =>
    app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
      reply.code(error.statusCode ?? 500).send({ mine: true }),
    ),
  )
  const browser = new Browser(opened)
  await browser.post('/set', { count: 1 })
  await server.kill()
  const answer = await browser.get('/')
  t.match(answer, { status: 503, body: { mine: true } })
  t.equal(answer.headers.get('retry-after'), '1')
})

t.test('booting does not hang on a dead Redis, and sessions are there when it is', async (t) => {
  const server = await start(t)
  await server.kill()
  const opened = await listen(t, { redis: client(t, server), deadline: '100ms' })
  t.equal((await new Browser(opened).post('/set', { count: 1 })).status, 503)
  await server.start()
  const browser = new Browser(opened)
  await pollUntil('Redis to be back', async () => (await browser.post('/set', { count: 1 })).status === 200)
  t.strictSame((await browser.get('/')).body, { count: 1 })
})

t.test('the channel tells what happens, and never whose it is', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT, touchEvery: 0 })
  const events: SessionEvent[] = []
  const listener = (message: unknown): void => void events.push(message as SessionEvent)
  subscribe('larder:sessions', listener)
  t.teardown(() => unsubscribe('larder:sessions', listener))
  const browser = new Browser(opened)
  await browser.post('/login/ann', {})
  await browser.post('/set', { count: 1 })
  const late = browser.copy().post('/slow/late', { count: 2 })
  await opened.gates.arrived('late')
  await browser.post('/rotate', { grace: 0 })
  opened.gates.open('late')
  await late
  await browser.post('/logout')
  const sessions = opened.namespace
  t.ok(events.every(({ app }) => app === opened.app.server))
  t.strictSame(
    events.map(({ app: _, ...event }) => event),
    [
      { type: 'created', bound: true },
      { type: 'loaded', result: 'live' },
      { type: 'touched' },
      { type: 'saved', fields: 1 },
      { type: 'loaded', result: 'live' },
      { type: 'loaded', result: 'live' },
      { type: 'created', bound: true },
      { type: 'rotated' },
      { type: 'dropped', fields: 1 },
      { type: 'loaded', result: 'live' },
      { type: 'ended', reason: 'logout' },
    ].map((event) => ({ sessions, ...event })),
  )
})

t.test('no rejection was left unhandled', async (t) => t.strictSame(unhandled, []))
