import cookie from '@fastify/cookie'
import redisPlugin from '@fastify/redis'
import fastifySession from '@fastify/session'
import sessions, { sessions as named } from '@larder/sessions'
import { sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { Browser } from './browser.js'
import { client, listen, SECRET, type T } from './setup.js'

function make(t: T): FastifyInstance {
  const app = fastify()
  t.teardown(() => app.close())
  return app
}

t.test('bad options are refused, by name', async (t) => {
  const bad: [object, RegExp][] = [
    [{ secret: undefined }, /`secret` to be a string of at least 32 characters, .*, got `undefined`/],
    [{ secret: 'short' }, /`secret` .* got `'5 characters'`/],
    [{ secret: [] }, /`secret`/],
    [{ secret: [SECRET, 'short'] }, /`secret`/],
    [{ idle: -1 }, /`idle`/],
    [{ absolute: 'soon' }, /`absolute`/],
    [{ idle: '2h', absolute: '1h' }, /`absolute` to be at least as long as `idle`/],
    [{ idle: '1m', touchEvery: '1m' }, /`touchEvery`/],
    [{ maxPerUser: 0 }, /`maxPerUser`/],
    [{ grace: -1 }, /`grace`/],
    [{ cookie: 'lax' }, /`cookie`/],
    [{ cookie: { samesite: 'lax' } }, /Unknown option `cookie.samesite`/],
    [{ cookie: { sameSite: 'weird' } }, /`cookie.sameSite`/],
    [{ cookie: { secure: 'yes' } }, /`cookie.secure`/],
    [{ cookie: { httpOnly: 1 } }, /`cookie.httpOnly`/],
    [{ cookie: { maxAge: -1 } }, /`cookie.maxAge`/],
    [{ cookie: { expires: 'tomorrow' } }, /`cookie.expires`/],
    [{ cookieName: '' }, /`cookieName`/],
    [{ cookiePrefix: 1 }, /`cookiePrefix`/],
    [{ saveUninitialized: 'no' }, /`saveUninitialized`/],
    [{ encryption: {} }, /`encryption.keys`/],
    [{ encryption: { keys: ['short'] } }, /`encryption.keys`/],
    [{ encryption: { keys: [Buffer.alloc(31)] } }, /`encryption.keys`/],
    [{ encryption: { keys: [SECRET], salt: 1 } }, /`encryption.salt`/],
    [{ migrate: { userId: 'userId' } }, /`migrate.userId`/],
    [{ onRedisError: 'open' }, /`onRedisError`/],
    [{ deadline: 0 }, /`deadline`/],
    [{ namespace: 'a:b' }, /`namespace`/],
    [{ now: 1 }, /`now`/],
    [{ rolling: true }, /Unknown option `rolling`/],
  ]
  for (const [options, message] of bad) {
    const registered = make(t).register(sessions, { secret: SECRET, redis: false, ...options } as never)
    await t.rejects(Promise.resolve(registered), { code: 'LARDER_INVALID_OPTION', message }, String(message))
  }
})

t.test('a secret is never part of an error', async (t) => {
  const registered = make(t).register(sessions, { secret: 'my password' })
  const error = await Promise.resolve(registered).then(String, String)
  t.notOk(error.includes('my password'))
})

t.test('bad arguments are refused, by name', async (t) => {
  const { app } = await listen(t, { redis: false })
  app.server.close()
  for (const userId of ['', null, undefined, Number.NaN, {}]) {
    await t.rejects(app.sessions.list(userId as never), { code: 'LARDER_INVALID_OPTION', message: /`userId`/ })
  }
})

t.test('login refuses what it does not know', async (t) => {
  const opened = await listen(t, { redis: false }, (app) => {
    app.post('/bad-login', async (request) => request.login('ann', { date: {} } as never))
    app.post('/bad-data', async (request) => request.login('ann', { data: 1 } as never))
    app.post('/bad-rotate', async (request) => request.rotate({ grace: -1 }))
  })
  const browser = new Browser(opened)
  t.match((await browser.post('/bad-login')).body, { code: 'LARDER_INVALID_OPTION', message: /`date`/ })
  t.match((await browser.post('/bad-data')).body, { code: 'LARDER_INVALID_OPTION', message: /`data`/ })
  t.match((await browser.post('/bad-rotate')).body, { code: 'LARDER_INVALID_OPTION', message: /`grace`/ })
  t.equal(browser.cookie, undefined)
})

t.test('session data have the types that the application declares', async (t) => {
  const opened = await listen(t, { redis: false }, (app) => {
    app.post('/typed', async (request) => {
      // @ts-expect-error: `count` is a number
      request.session.count = 'one'
      // @ts-expect-error: nobody declared it
      request.session.undeclared = 1
      // @ts-expect-error: data of a login are of the same types
      await request.login('ann', { data: { theme: 1 } })
      // @ts-expect-error: only a login binds
      request.session.userId = 'ann'
      const { count, theme, userId } = request.session satisfies { count?: number; theme?: string }
      return { count, theme, userId }
    })
  })
  t.strictSame((await new Browser(opened).post('/typed')).body, { count: 'one', theme: 1, userId: 'ann' })
})

t.test('@fastify/cookie and @fastify/session are registered when absent', async (t) => {
  const app = make(t)
  await app.register(sessions, { secret: SECRET, redis: false })
  t.equal(app.hasPlugin('@fastify/cookie'), true)
  t.equal(app.hasPlugin('@fastify/session'), true)
  t.equal(named, sessions)
  const other = make(t)
  await other.register(cookie)
  await other.register(sessions, { secret: SECRET, redis: false })
  t.equal(other.hasPlugin('@fastify/session'), true)
})

t.test('request.session that others made is not taken over', async (t) => {
  const app = make(t)
  await app.register(cookie)
  await app.register(fastifySession, { secret: SECRET })
  await t.rejects(Promise.resolve(app.register(sessions, { secret: SECRET, redis: false })), {
    code: 'LARDER_SESSIONS_REGISTERED',
  })
  const twice = make(t)
  await twice.register(sessions, { secret: SECRET, redis: false })
  await t.rejects(Promise.resolve(twice.register(sessions, { secret: SECRET, redis: false, name: 'admin' })), {
    code: 'LARDER_SESSIONS_REGISTERED',
  })
})

t.test('two contexts may have sessions of their own', async (t) => {
  const app = make(t)
  for (const name of ['shop', 'admin']) {
    await app.register(async (context) => {
      await context.register(sessions, { secret: SECRET, redis: false, name, namespace: name, cookieName: name })
      context.post(`/${name}`, async (request) => {
        await request.login(name)
        return request.session.userId
      })
    })
  }
  for (const name of ['shop', 'admin']) {
    const { body, cookies } = await app.inject({ method: 'POST', url: `/${name}` })
    t.equal(body, name)
    t.equal(cookies[0]?.name, name)
  }
})

t.test('the client is fastify.redis where it is decorated, else memory with a warning', async (t) => {
  const server = await sharedRedis()
  const redis = client(t, server)
  const app = make(t)
  await app.register(redisPlugin, { client: redis })
  const namespace = uniqueNamespace()
  await app.register(sessions, { secret: SECRET, namespace, deadline: '10s' })
  app.get('/', async (request) => request.login('ann'))
  await app.inject('/')
  t.equal(await server.cli('EXISTS', `${namespace}:sessions-of:{ann}`), 1)
})

t.test('a cookie for a path is no session elsewhere', async (t) => {
  const opened = await listen(t, { redis: false, cookie: { path: '/set' } })
  const browser = new Browser(opened)
  t.match((await browser.post('/set', { count: 1 })).setCookie, /Path=\/set/)
  t.strictSame((await browser.get('/')).body, {})
  t.strictSame((await browser.post('/set', {})).body, { count: 1 })
})

t.test('secure cookies are sent over HTTPS only, and a login over HTTP says why it cannot be', async (t) => {
  const opened = await listen(t, { redis: false, cookie: { secure: true } })
  t.equal((await new Browser(opened).post('/set', { count: 1 })).setCookie, undefined)
  t.match(await new Browser(opened).post('/login/ann', {}), {
    status: 500,
    body: { code: 'LARDER_SESSIONS_INSECURE' },
  })
})

t.test('behind a TLS proxy the cookie is Secure by default', async (t) => {
  const app = fastify({ trustProxy: true })
  t.teardown(() => app.close())
  await app.register(sessions, { secret: SECRET, redis: false })
  app.get('/', async (request) => request.login('ann'))
  const { headers } = await app.inject({ url: '/', headers: { 'x-forwarded-proto': 'https' } })
  t.match(headers['set-cookie'], /; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
})

t.test('the cookie may have another name, a prefix and attributes', async (t) => {
  const app = make(t)
  const options = {
    cookieName: 'sid',
    cookiePrefix: 's:',
    cookie: { sameSite: 'strict', domain: 'example.com' },
  } as const
  await app.register(sessions, { secret: SECRET, redis: false, ...options })
  app.post('/', async (request) => request.login('ann'))
  app.get('/', async (request) => request.session.userId ?? 'nobody')
  const { cookies, headers } = await app.inject({ method: 'POST', url: '/' })
  t.match(headers['set-cookie'], /^sid=s:[\w-]+\..*Domain=example\.com.*SameSite=Strict/)
  const value = cookies[0]?.value as string
  t.equal((await app.inject({ url: '/', cookies: { sid: value } })).body, 'ann')
  t.equal((await app.inject({ url: '/', cookies: { sid: value.slice(2) } })).body, 'nobody')
})

t.test('the cookie may be kept for a duration', async (t) => {
  const opened = await listen(t, { redis: false, cookie: { maxAge: '1h' } })
  const { setCookie } = await new Browser(opened).post('/set', { count: 1 })
  const expires = Date.parse(/Expires=([^;]+)/.exec(setCookie ?? '')?.[1] ?? '')
  t.ok(Math.abs(expires - Date.now() - 3_600_000) < 60_000, String(setCookie))
})

t.test('a logout clears the cookie with the attributes that it was set with', async (t) => {
  const app = fastify({ trustProxy: true })
  t.teardown(() => app.close())
  const cookieName = '__Host-sid'
  const cookie = { sameSite: 'none', partitioned: true, maxAge: '1h' } as const
  await app.register(sessions, { secret: SECRET, redis: false, cookieName, cookie })
  app.post('/in', async (request) => request.login('ann'))
  app.post('/out', async (request) => request.logout())
  const headers = { 'x-forwarded-proto': 'https' }
  const { cookies } = await app.inject({ method: 'POST', url: '/in', headers })
  const sent = { [cookieName]: cookies[0]?.value as string }
  const { headers: cleared } = await app.inject({ method: 'POST', url: '/out', headers, cookies: sent })
  t.match(
    cleared['set-cookie'],
    /^__Host-sid=; Max-Age=0; Path=\/; Expires=Thu, 01 Jan 1970.*HttpOnly; Secure; Partitioned; SameSite=None$/,
  )
})

t.test('by default a user may have 100 sessions', async (t) => {
  const opened = await listen(t, { redis: false })
  for (let i = 0; i < 101; i++) await new Browser(opened).post('/login/ann', {})
  t.equal((await opened.app.sessions.list('ann')).length, 100)
})
