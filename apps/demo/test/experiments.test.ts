import { buildApp, readConfig } from '@larder/demo'
import { pollUntil } from '@larder/test-redis'
import t from 'tap'

const PATH = '/dashboard/experiments'

t.test('the experiments of the dashboard', async (t) => {
  const { app } = await buildApp(readConfig({ LARDER_DEMO_REDIS: '1', LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  const run = (name: string, body: object, headers: Record<string, string> = {}) =>
    app.inject({ method: 'POST', url: `${PATH}/${name}`, headers: { host: '127.0.0.1', ...headers }, payload: body })

  await t.test('are run from this machine and by pages of the shop only', async (t) => {
    const request = { method: 'POST', url: `${PATH}/visitors`, payload: { count: 0 } } as const
    const host = 'localhost:3000'
    const cases: [string, number, object][] = [
      ['this machine', 204, { headers: { host } }],
      ['a page of the shop', 204, { headers: { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' } }],
      ['another machine', 403, { headers: { host }, remoteAddress: '192.0.2.1' }],
      ['a page of another site', 403, { headers: { host, origin: 'http://evil.example' } }],
      ['a link of another site', 403, { headers: { host, 'sec-fetch-site': 'cross-site' } }],
      ['a foreign name that leads here', 403, { headers: { host: 'evil.example' } }],
      ['a foreign name like ours', 403, { headers: { host: 'localhost.evil.example' } }],
    ]
    for (const [who, status, options] of cases)
      t.equal((await app.inject({ ...request, ...options })).statusCode, status, who)
  })

  await t.test('a flood of a cold key is one load, without the cache as many as calls', async (t) => {
    t.match((await run('flood', { calls: 50 })).json(), { calls: 50, loads: 1, states: { miss: 1, coalesced: 49 } })
    t.match((await run('flood', { calls: 5, cached: false })).json(), { calls: 5, loads: 5 })
  })

  await t.test('with the cache off every product and list comes from the database', async (t) => {
    const status = async (url: string) => (await app.inject(url)).headers['cache-status']
    const urls = ['/products/7', '/products?category=7']
    for (const url of urls) await app.inject(url)
    t.equal((await run('cache', { on: false })).statusCode, 204)
    for (const url of urls) t.notMatch(await status(url), /;\s*hit/, url)
    await run('cache', { on: true })
    await app.inject('/products/7')
    t.match(await status('/products/7'), /;\s*hit/)
  })

  await t.test('who takes the lock while it is held waits', async (t) => {
    await run('lock', {})
    await run('lock', {})
    await pollUntil('one holder and one waiter', async () => {
      const series = (await app.inject('/metrics')).body
      return /^lock_held\S* 1$/m.test(series) && /^lock_waiting\S* 1$/m.test(series)
    })
    t.pass('one holds it, one waits')
  })

  await t.test('the shop goes on while its Redis is stopped, and when it is back', async (t) => {
    const redis = async () => (await app.inject('/health')).json().redis
    t.equal(await redis(), 'ready')
    t.equal((await run('redis', { on: false })).statusCode, 204)
    t.equal(await redis(), 'down')
    t.equal((await app.inject('/products/9')).statusCode, 200)
    t.equal((await run('redis', { on: true })).statusCode, 204)
    await pollUntil('Redis', async () => (await redis()) === 'ready')
    t.pass('Redis is back')
  })
})

t.test('a Redis that the shop did not start is not stopped', async (t) => {
  const { app } = await buildApp(readConfig({ LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  const answer = await app.inject({
    method: 'POST',
    url: `${PATH}/redis`,
    headers: { host: '127.0.0.1' },
    payload: { on: false },
  })
  t.match(answer.json(), { statusCode: 409, code: 'SHOP_REDIS_NOT_OURS' })
  t.throws(() => readConfig({ LARDER_DEMO_REDIS: '1', REDIS_URL: 'redis://a' }), { message: /LARDER_DEMO_REDIS/ })
})

t.test('pages and assets say how long they may be kept, and which scripts may run', async (t) => {
  const { app } = await buildApp(readConfig({ LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  for (const url of ['/', '/dashboard']) {
    const page = await app.inject(url)
    t.equal(page.headers['cache-control'], 'no-cache')
    t.match(page.headers['content-security-policy'], /default-src 'none'; script-src 'self' 'sha256-[^']+';/)
    const assets = new Set(page.body.match(/\/assets\/[^"]+/g))
    t.ok(assets.size > 10)
    for (const asset of assets) {
      const { statusCode, headers } = await app.inject(asset)
      t.match({ asset, statusCode, cache: headers['cache-control'] }, { asset, statusCode: 200, cache: /immutable/ })
    }
  }
  t.equal((await app.inject('/assets/000000000000/styles/base.css')).statusCode, 404)
})
