import { buildApp, openPglite, type Product, readConfig } from '@larder/demo'
import { pollUntil, startRedis } from '@larder/test-redis'
import t from 'tap'
import { login } from './login.js'
import { PostgresServer } from './smoke/postgres-server.js'

const ADMIN = { authorization: 'Bearer demo-admin' }

t.test('with Redis stopped, killed and back the shop goes on', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const { app } = await buildApp(readConfig({ REDIS_URL: server.url, LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  const health = async () => (await app.inject('/health')).json()
  const price = async (id: number) => (await app.inject(`/products/${id}`)).json<Product>().price
  const setPrice = (id: number, price: number) =>
    app.inject({ method: 'PUT', url: `/products/${id}`, headers: ADMIN, payload: { price } })

  t.same(await health(), { status: 'ok', redis: 'ready', database: 'ready' })
  const user = await login(app)
  await app.inject({ url: '/products/1', headers: user })

  for (const fault of ['pause', 'kill'] as const) {
    await server[fault]()
    t.same(await health(), { status: 'degraded', redis: 'down', database: 'ready' })
    t.equal((await app.inject('/products?category=3')).statusCode, 200)
    t.equal((await setPrice(1, 3.5)).statusCode, 200)
    t.equal(await price(1), 3.5)
    // Pages that all may see do without knowing whose cookie that is; what is one's own does not.
    t.equal((await app.inject({ url: '/products/1', headers: user })).statusCode, 200)
    const away = { '/cart': 'LARDER_SESSIONS_UNAVAILABLE', '/products/1/visitors': 'SHOP_REDIS_UNAVAILABLE' }
    for (const [url, code] of Object.entries(away)) {
      const answer = await app.inject({ url, headers: user })
      t.match(answer, { statusCode: 503, headers: { 'retry-after': '1', 'set-cookie': undefined } })
      t.match(answer.json(), { statusCode: 503, code })
    }
    const password = { email: 'user2@example.com', password: 'larder' }
    t.equal((await app.inject({ method: 'POST', url: '/session', payload: password })).statusCode, 503)
    const board = await app.inject('/leaderboards/best-sellers')
    t.match(board.json(), { statusCode: 503, code: 'LARDER_LEADERBOARD_UNAVAILABLE' })
    if (fault === 'pause') server.resume()
    else await server.restart()
    await pollUntil('recovery', async () => (await health()).redis === 'ready')
    await pollUntil('the cache', async () =>
      /hit/.test(String((await app.inject('/products/1')).headers['cache-status'])),
    )
    t.equal(await price(1), 3.5)
    t.equal((await setPrice(1, 1)).statusCode, 200)
    t.equal(await price(1), 1)
  }
})

t.test('with the database away cached answers stay, others say 503, and it comes back', async (t) => {
  const pglite = await openPglite()
  t.teardown(() => pglite.close())
  const first = await PostgresServer.start(pglite)
  const { url } = first
  const { app } = await buildApp(readConfig({ DATABASE_URL: url, LOG_LEVEL: 'silent' }))
  t.teardown(() => app.close())
  const cached = await app.inject('/products/1')
  t.equal(cached.statusCode, 200)

  await first.stop()
  t.same((await app.inject('/products/1')).json(), cached.json())
  for (const path of ['/products/2', '/products', '/stats']) {
    const answer = await app.inject(path)
    t.equal(answer.statusCode, 503, path)
    t.same(Object.keys(answer.json()), ['statusCode', 'code', 'error', 'message'])
    t.match(answer.json(), { code: 'SHOP_DATABASE_UNAVAILABLE' })
  }
  const health = await app.inject('/health')
  t.equal(health.statusCode, 503)
  t.same(health.json(), { status: 'degraded', redis: 'memory', database: 'down' })

  const second = await PostgresServer.start(pglite, Number(new URL(url).port))
  t.teardown(() => second.stop())
  t.equal((await app.inject('/products/2')).statusCode, 200)
  t.equal((await app.inject('/health')).statusCode, 200)
})
