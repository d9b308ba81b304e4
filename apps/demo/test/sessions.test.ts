import { buildApp, hashPassword, isPassword, readConfig } from '@larder/demo'
import { startRedis } from '@larder/test-redis'
import t from 'tap'
import { login } from './login.js'

const CHEAP = { ln: 4, r: 8, p: 1 }
const LOGIN = { method: 'POST', url: '/session' } as const
const CREDENTIALS = { email: 'user1@example.com', password: 'larder' }

type App = Awaited<ReturnType<typeof buildApp>>['app']

async function open(t: Tap, environment: NodeJS.ProcessEnv = {}): Promise<App> {
  const { app } = await buildApp(readConfig({ LOG_LEVEL: 'silent', ...environment }))
  t.teardown(() => app.close())
  return app
}
type Tap = Pick<typeof t, 'teardown'>

const app = await open(t)

t.test('a password is kept as a salted hash at the cost that OWASP names', async (t) => {
  const [one, other] = [await hashPassword('larder'), await hashPassword('larder')]
  t.match(one, /^\$scrypt\$ln=14,r=8,p=5\$[\w+/]{22}\$[\w+/]{43}$/)
  t.not(one, other)
  t.equal(await isPassword('larder', one), true)
  t.equal(await isPassword('Larder', one), false)
  t.equal(await isPassword('larder', await hashPassword('larder', CHEAP)), true, 'the cost is kept with the hash')
  t.equal(await isPassword('larder', undefined), false, 'nobody has no password')
  await t.rejects(isPassword('larder', 'larder'), { message: /no hash/ })
})

t.test('what another site could send changes nothing', async (t) => {
  const cookie = await login(app)
  const body = JSON.stringify(CREDENTIALS)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    for (const url of ['/session', '/orders']) {
      const headers = { ...cookie, 'content-type': type, 'idempotency-key': 'forged' }
      const { statusCode, headers: sent } = await app.inject({ method: 'POST', url, headers, payload: body })
      t.equal(statusCode, 415, `${type} to ${url}`)
      t.equal(sent['set-cookie'], undefined)
    }
  }
  for (const method of ['GET', 'HEAD'] as const) {
    for (const url of ['/session', '/sessions', '/cart']) await app.inject({ method, url, headers: cookie })
  }
  t.equal((await app.inject({ url: '/session', headers: cookie })).statusCode, 200, 'GET changes nothing')
  const preflight = await app.inject({ method: 'OPTIONS', url: '/cart/1', headers: { origin: 'https://evil.example' } })
  t.equal(preflight.headers['access-control-allow-origin'], undefined)
})

t.test('a login takes a new id: who planted one has nothing', async (t) => {
  const planted = await login(app, 2)
  const { cookies } = await app.inject({ ...LOGIN, headers: planted, payload: CREDENTIALS })
  t.equal(cookies.length, 1)
  t.equal((await app.inject({ url: '/session', headers: planted })).statusCode, 401)
  const cookie = `sessionId=${cookies[0]?.value}`
  t.equal((await app.inject({ url: '/session', headers: { cookie } })).json().userId, CREDENTIALS.email)
})

t.test('of many guesses at once a dozen is looked at; who knows the password is kept out nowhere else', async (t) => {
  const guess = (remoteAddress: string, email = CREDENTIALS.email, password = 'guess') =>
    app.inject({ ...LOGIN, remoteAddress, payload: { email, password } })
  const statuses = (await Promise.all(Array.from({ length: 40 }, () => guess('203.0.113.1')))).map((a) => a.statusCode)
  const looked = statuses.filter((status) => status === 401).length
  t.ok(looked >= 10 && looked <= 13, `${looked} of 40`)
  t.equal((await guess('203.0.113.1', 'USER1@example.com', 'larder')).statusCode, 429, 'case does not matter')
  t.equal((await guess('203.0.113.2', CREDENTIALS.email, 'larder')).statusCode, 201, 'the user, from elsewhere')
  t.equal((await guess('203.0.113.1', 'user2@example.com', 'larder')).statusCode, 201, 'another user, from there')
  await guess('2001:db8::1', 'nobody@example.com')
  for (let i = 2; i <= 10; i++) await guess(`2001:db8::${i}`, 'nobody@example.com')
  t.equal((await guess('2001:db8::ffff', 'nobody@example.com')).statusCode, 429, 'a network of 64 bits is one address')
  t.equal((await guess('2001:db8:0:1::1', 'nobody@example.com')).statusCode, 401)
})

t.test('logins that succeed are not counted', async (t) => {
  for (let i = 0; i < 12; i++) await login(app, 3)
  t.equal((await app.inject({ url: '/sessions', headers: await login(app, 3) })).json().items.length, 13)
})

t.test('the secret: processes share the one of the environment, or one kept in Redis; it rotates', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const [first, second] = [await open(t, { REDIS_URL: server.url }), await open(t, { REDIS_URL: server.url })]
  const status = async (app: App, headers: { cookie: string }) =>
    (await app.inject({ url: '/session', headers })).statusCode
  t.equal(await status(second, await login(first)), 200)
  const [newest, oldest] = ['n'.repeat(32), 'o'.repeat(32)]
  const before = await open(t, { REDIS_URL: server.url, SESSION_SECRET: oldest })
  const both = await open(t, { REDIS_URL: server.url, SESSION_SECRET: `${newest},${oldest}` })
  const cookie = await login(before)
  t.equal(await status(both, cookie), 200)
  t.equal(await status(first, cookie), 401)
})
