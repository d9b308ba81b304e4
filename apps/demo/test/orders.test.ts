import { EventEmitter, once } from 'node:events'
import { buildApp, Catalogue, type Database, OrderFeed, Orders, type Product, Rankings, readConfig } from '@larder/demo'
import { pollUntil, startRedis } from '@larder/test-redis'
import t from 'tap'
import { login } from './login.js'

const ADMIN = { authorization: 'Bearer demo-admin' }

type Cookie = { cookie: string }
type Shop = Awaited<ReturnType<typeof buildApp>>

async function makeProduct({ app }: Shop, stock: number): Promise<Product> {
  const payload = { name: 'Scarce', price: 2.5, categoryId: 1, stock }
  return (await app.inject({ method: 'POST', url: '/products', headers: ADMIN, payload })).json<Product>()
}

async function buy({ app }: Shop, cookie: Cookie, productId: number, quantity: number, key: string) {
  const headers = { ...cookie, 'idempotency-key': key }
  const payload = { items: [{ productId, quantity }] }
  const answer = await app.inject({ method: 'POST', url: '/orders', headers, payload })
  return { status: answer.statusCode, headers: answer.headers, body: answer.body, json: answer.json() }
}

async function sold({ database }: Shop, productId: number) {
  const { rows } = await database.query<{ stock: number; sold: number; orders: number }>(
    `SELECT stock, coalesce(sum(quantity), 0)::int AS sold, count(order_id)::int AS orders
     FROM shop.products LEFT JOIN shop.order_items ON product_id = id WHERE id = $1 GROUP BY id`,
    [productId],
  )
  return rows[0]
}

t.test('in memory', async (t) => {
  const shop = await buildApp(readConfig({ LOG_LEVEL: 'silent' }))
  t.teardown(() => shop.app.close())

  t.test('who asks first gets it, the last piece is sold once', async (t) => {
    const { id } = await makeProduct(shop, 7)
    const cookies = await Promise.all([1, 2, 3, 4].map((user) => login(shop.app, user)))
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => buy(shop, cookies[i % 4] as Cookie, id, 1, `rush-${i}`)),
    )
    t.same(
      answers.map(({ status }) => status),
      Array.from({ length: 20 }, (_, i) => (i < 7 ? 201 : 409)),
    )
    t.same(await sold(shop, id), { stock: 0, sold: 7, orders: 7 })
  })

  t.test('a refusal is the answer to its key also when there is more later', async (t) => {
    const { id } = await makeProduct(shop, 1)
    const ann = await login(shop.app, 5)
    const refused = await buy(shop, ann, id, 2, 'refused')
    t.match(refused, { status: 409, json: { code: 'SHOP_OUT_OF_STOCK', message: `product ${id}, Scarce` } })
    await shop.app.inject({ method: 'PUT', url: `/products/${id}`, headers: ADMIN, payload: { stock: 9 } })
    const again = await buy(shop, ann, id, 2, 'refused')
    t.same([again.status, again.body, again.headers['idempotent-replayed']], [409, refused.body, 'true'])
    t.equal((await buy(shop, ann, id, 2, 'refused-2')).status, 201)
    t.match(await buy(shop, ann, id, 1, 'refused'), { status: 422, json: { code: 'SHOP_IDEMPOTENCY_KEY_REUSED' } })
    t.same(await sold(shop, id), { stock: 7, sold: 2, orders: 1 })
  })

  t.test('what fails half-way sells nothing and keeps no answer', async (t) => {
    const { id } = await makeProduct(shop, 3)
    const ann = await login(shop.app, 5)
    await shop.database.query('ALTER TABLE shop.order_items RENAME TO elsewhere')
    t.match(await buy(shop, ann, id, 1, 'failing'), { status: 500, json: { code: 'SHOP_INTERNAL_ERROR' } })
    await shop.database.query('ALTER TABLE shop.elsewhere RENAME TO order_items')
    t.same(await sold(shop, id), { stock: 3, sold: 0, orders: 0 })
    t.equal((await buy(shop, ann, id, 1, 'failing')).status, 201)
  })
})

t.test('on Redis', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const shop = await buildApp(readConfig({ REDIS_URL: server.url, LOG_LEVEL: 'silent' }))
  t.teardown(() => shop.app.close())
  const { app, database } = shop
  const ann = await login(app)

  t.test('an order that lost its lock unawares is refused by its token, and can be sent again', async (t) => {
    const { id } = await makeProduct(shop, 5)
    const gate = new EventEmitter()
    const arrived = once(gate, 'arrived')
    const halting: Database = {
      ...database,
      transaction: async (work) => {
        gate.emit('arrived')
        await once(gate, 'opened')
        return database.transaction(work)
      },
    }
    const catalogue = new Catalogue(database, app.cache, app.tags)
    const rankings = new Rankings({ database, leaderboards: app.leaderboards, log: app.log })
    const orderFeed = new OrderFeed({ database, events: app.events, log: app.log })
    const parts = { locks: app.locks, catalogue, tags: app.tags, rankings, orderFeed }
    const draft = { items: [{ productId: id, quantity: 2 }] }
    const late = new Orders({ ...parts, database: halting }).place('bob', 'late', draft)
    await arrived
    const locks = (await server.cli('KEYS', 'shop:lock*')) as string[]
    t.match(locks.join(), `product:${database.identity}:${id}`)
    await server.cli('DEL', ...locks)
    t.equal((await buy(shop, ann, id, 1, 'quick')).status, 201)
    gate.emit('opened')
    await t.rejects(late, { code: 'SHOP_ORDER_OVERTAKEN', statusCode: 503 })
    t.same(await sold(shop, id), { stock: 4, sold: 1, orders: 1 }, 'nothing of it was kept')
    const { answer } = await new Orders({ ...parts, database }).place('bob', 'late', draft)
    t.match(answer, { status: 201, body: { total: 5 } })
    t.same(await sold(shop, id), { stock: 2, sold: 3, orders: 2 })
  })

  t.test('with Redis away nobody is mistaken for a user, nothing is sold, and it comes back', async (t) => {
    const { id } = await makeProduct(shop, 5)
    const before = await buy(shop, ann, id, 1, 'before')
    t.equal(before.status, 201)
    for (const fault of ['pause', 'kill'] as const) {
      await server[fault]()
      const refused = await buy(shop, ann, id, 1, fault)
      t.match(refused, { status: 503, json: { code: 'LARDER_SESSIONS_UNAVAILABLE' }, headers: { 'retry-after': '1' } })
      for (const url of ['/orders', '/cart', '/session', '/sessions'])
        t.match(
          await app.inject({ url, headers: ann }),
          { statusCode: 503, headers: { 'retry-after': '1', 'set-cookie': undefined } },
          url,
        )
      t.match(await sold(shop, id), { sold: fault === 'pause' ? 1 : 2 })
      if (fault === 'pause') server.resume()
      else await server.restart()
      // Whoever can log in has locks and sessions back. A Redis that keeps nothing has lost the old ones.
      let cookie = ann
      await pollUntil('a login', async () => {
        cookie = await login(app).catch(() => ann)
        return cookie !== ann
      })
      const replayed = await buy(shop, cookie, id, 1, 'before')
      t.same([replayed.status, replayed.body], [201, before.body])
      t.equal((await buy(shop, cookie, id, 1, fault)).status, 201)
    }
    t.same(await sold(shop, id), { stock: 2, sold: 3, orders: 3 })
  })
})
