import { pollUntil, RedisEndpoint, type RedisServer, startProxy, startRedis, type TcpProxy } from '@larder/test-redis'
import t from 'tap'
import { Browser, loggedIn } from './browser.js'
import { ageOn, dumpOf } from './look.js'
import { client, listen, type Opened, PATIENT, SECRET, type T } from './setup.js'

const MINUTE = 60_000

async function start(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

/** Two processes on one Redis; what is answered to the second can be held back. */
async function pair(t: T): Promise<{ server: RedisServer; proxy: TcpProxy; opened: Opened; slow: Opened }> {
  const server = await start(t)
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT })
  const redis = client(t, new RedisEndpoint(proxy.host, proxy.port))
  const slow = await listen(t, { redis, deadline: PATIENT, namespace: opened.namespace })
  return { server, proxy, opened, slow }
}

const sessionKeys = (server: RedisServer, { namespace }: Opened) =>
  server.cli<string[]>('KEYS', `${namespace}:session:*`)

t.test('a rotation that has claimed the session when all are revoked ends with it', async (t) => {
  const { server, proxy, opened, slow } = await pair(t)
  // So that Redis knows the scripts.
  const before = await loggedIn(slow, 'ann')
  await before.post('/rotate', { grace: 0 })
  await before.post('/logout')
  const browser = await loggedIn(opened, 'ann')
  const [key = ''] = await sessionKeys(server, opened)
  const rotation = browser.copy(slow).post('/slow-rotate/claim')
  await slow.gates.arrived('claim')
  proxy.hold('toClient')
  slow.gates.open('claim')
  await pollUntil('the claim', async () => (await server.cli('HEXISTS', key, '>')) === 1)
  await opened.app.sessions.revokeAll('ann')
  await proxy.restore()
  t.match(await rotation, { status: 401, body: { code: 'LARDER_SESSIONS_ENDED' }, setCookie: undefined })
  t.strictSame(await opened.app.sessions.list('ann'), [])
  t.equal(await dumpOf([server], opened.namespace), '')
})

t.test('who revokes all ends also what a session was rotated into meanwhile', async (t) => {
  const { server, proxy, opened, slow } = await pair(t)
  const browser = await loggedIn(opened, 'ann')
  await server.resetCommandCounts()
  proxy.hold('toClient')
  const revoked = slow.app.sessions.revokeAll('ann')
  await pollUntil('the index to be read', async () => (await server.commandCounts()).zrange === 1)
  await browser.post('/rotate', {})
  t.equal((await browser.get('/')).body.userId, 'ann')
  await proxy.restore()
  await revoked
  t.strictSame((await browser.get('/')).body, {})
  t.strictSame(await opened.app.sessions.list('ann'), [])
})

t.test('the expiry in Redis never goes beyond the absolute timeout', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT, absolute: '31m' })
  const browser = await loggedIn(opened, 'ann')
  await ageOn([server], opened.namespace, 29 * MINUTE)
  for (const use of [() => browser.get('/'), () => browser.post('/rotate', { grace: 0 })]) {
    await use()
    const [key = '', ...others] = await sessionKeys(server, opened)
    t.strictSame(others, [])
    const ttl = await server.cli<number>('PTTL', key)
    t.ok(ttl > MINUTE && ttl <= 2 * MINUTE, `${ttl} ms`)
  }
})

t.test('the index of a user drops what is over, and ends with his last session', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT })
  await loggedIn(opened, 'ann')
  const index = `${opened.namespace}:sessions-of:{ann}`
  await server.cli('ZADD', index, Date.now() - MINUTE, 'over')
  await loggedIn(opened, 'ann')
  t.equal(await server.cli('ZSCORE', index, 'over'), null)
  t.equal(await server.cli('ZCARD', index), 2)
  const browser = await loggedIn(opened, 'ann')
  await browser.post('/login/ann', {})
  t.equal(await server.cli('ZCARD', index), 3, 'a second login takes the place of the first')
  const [first] = await opened.app.sessions.list('ann')
  const ttl = await server.cli<number>('PTTL', index)
  t.ok(ttl > 0 && Math.abs(Date.now() + ttl - (first?.expiresAt ?? 0)) < 10_000, `${ttl} ms`)
})

t.test('what lies in the index of one user is shown to him only if it is his', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT })
  await loggedIn(opened, 'bob')
  const [key = ''] = await sessionKeys(server, opened)
  const member = key.slice(`${opened.namespace}:session:`.length)
  await server.cli('ZADD', `${opened.namespace}:sessions-of:{ann}`, Date.now() + MINUTE, member)
  t.strictSame(await opened.app.sessions.list('ann'), [])
  t.equal((await opened.app.sessions.list('bob')).length, 1)
})

t.test('encrypted values are bound to their session and field', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT, encryption: { keys: [SECRET] } })
  const browsers = [new Browser(opened), new Browser(opened)]
  const note = (browser: Browser | undefined) => browser?.post('/set', { note: 'mine', theme: 'dark' })
  await note(browsers[0])
  const [first = ''] = await sessionKeys(server, opened)
  await note(browsers[1])
  const second = (await sessionKeys(server, opened)).find((key) => key !== first) ?? ''
  const [value, theme] = [
    await server.cli<string>('HGET', first, '.note'),
    await server.cli<string>('HGET', first, '.theme'),
  ]
  await server.cli('HSET', second, '.note', value)
  t.strictSame((await browsers[1]?.get('/'))?.body, {}, 'the value of another session')
  await server.cli('HSET', first, '.note', theme)
  t.strictSame((await browsers[0]?.get('/'))?.body, {}, 'the value of another field')
  await server.cli('HSET', first, '.note', value)
  t.strictSame((await browsers[0]?.get('/'))?.body, { note: 'mine', theme: 'dark' })
})
