import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Database,
  hashPassword,
  type Order,
  openDatabase,
  openPglite,
  type Product,
  type Statistics,
} from '@larder/demo'
import { pollUntil, startRedis } from '@larder/test-redis'
import t from 'tap'
import { type Answer, type Login, type Problem, ShopClient } from './smoke/client.js'
import { PostgresServer } from './smoke/postgres-server.js'
import { ShopProcess } from './smoke/shop-process.js'

const PROCESSES = 4
const BUYERS = 200
/** Buyers hear from the shop so often until one process is killed. */
const KILLED_AFTER = 60
const MAX_ATTEMPTS = 10
/** Fewer than are wanted of each. */
const STOCK = 55
const PRICES = [0.1, 2.5, 19.99, 7, 120.35]

type Reply = Answer<Order | Problem>
type Purchase = { user: string; login: Login; key: string; items: { productId: number; quantity: number }[] }

const pglite = await openPglite()
const postgres = await PostgresServer.start(pglite)
const redis = await startRedis()
const database: Database = await openDatabase(postgres.url, () => {})
t.teardown(async () => {
  await database.close()
  await postgres.stop()
  await pglite.close()
  await redis.stop()
})

/** Users besides those of the demo. Their passwords are cheap to check: this is not about passwords. */
async function addUsers(users: readonly string[]): Promise<void> {
  const hash = await hashPassword('larder', { ln: 4, r: 8, p: 1 })
  await database.query('INSERT INTO shop.users (email, password_hash) SELECT unnest($1::text[]), $2', [users, hash])
}

const open = async () => {
  const shop = new ShopProcess({ REDIS_URL: redis.url, DATABASE_URL: postgres.url })
  return { shop, client: new ShopClient(await shop.address()) }
}

const makeProducts = (client: ShopClient, stock: number) =>
  Promise.all(
    PRICES.map(async (price) => {
      const draft = { name: 'Wanted by all', price, categoryId: 1, stock }
      return (await client.change<Product>('POST', '/products', draft)).body
    }),
  )

/** Sends it until it is answered, each time to the next process; after a 503 or 429 when that says. */
async function insist(clients: readonly ShopClient[], first: number, { items, login, key }: Purchase): Promise<Reply> {
  const heard: unknown[] = []
  while (heard.length < MAX_ATTEMPTS) {
    const client = clients[(first + heard.length) % clients.length]!
    try {
      const reply = await client.order<Order | Problem>(items, login, key)
      if (reply.status !== 503 && reply.status !== 429) return reply
      heard.push(reply.body)
      await sleep(Number(reply.headers.get('retry-after')) * 1_000)
    } catch (error) {
      heard.push(error) // the process is gone
    }
  }
  throw new Error(`${key} was never answered: ${heard.map(String)}`, { cause: heard })
}

const deaths = [
  ['between the sale and its answer', /COMMIT/, true],
  ['in the middle of the sale, with its locks', /INSERT INTO shop\.orders/, false],
] as const

for (const [when, query, sold] of deaths)
  t.test(`a process dies ${when}: another one answers, and it is sold once`, async (t) => {
    const [dying, heir] = await Promise.all([open(), open()])
    t.teardown(() => Promise.all([dying.shop.stop(), heir.shop.stop()]))
    const [product] = await makeProducts(heir.client, 10)
    const page = `/products/${product!.id}`
    const [user, items] = [`buyer-${sold}@example.com`, [{ productId: product!.id, quantity: 3 }]]
    await addUsers([user])
    const login = await heir.client.login(user)
    const kept = async () =>
      (await database.query('SELECT status, body FROM shop.order_answers WHERE user_id = $1', [user])).rows
    await heir.client.get(page)
    postgres.onQuery = async (messages) => {
      if (!query.test(messages)) return
      postgres.onQuery = undefined
      await dying.shop.stop('SIGKILL')
    }
    await t.rejects(dying.client.order(items, login, 'crash'))
    const before = await kept()
    const answer = await heir.client.order<Order>(items, login, 'crash')
    t.match(answer, { status: 201, body: { items: [{ quantity: 3 }], total: 0.3 } })
    t.same(before, sold ? [{ status: 201, body: answer.body }] : [])
    t.equal(answer.headers.get('idempotent-replayed'), sold ? 'true' : null)
    t.same(await kept(), [{ status: 201, body: answer.body }])
    t.equal((await heir.client.get<Product>(page)).body.stock, 7)
    t.same((await heir.client.get<{ items: Order[] }>('/orders', login)).body.items, [answer.body])
  })

t.test('200 buyers, 4 processes, one killed: what was told is what was sold, once each', async (t) => {
  const shops = await Promise.all(Array.from({ length: PROCESSES }, open))
  t.teardown(() => Promise.all(shops.map(({ shop }) => shop.stop())))
  const clients = shops.map(({ client }) => client)
  const products = await makeProducts(clients[0]!, STOCK)
  const before = (await clients[0]!.get<Statistics>('/stats')).body

  let answered = 0
  let killed: Promise<unknown> | undefined
  const users = Array.from({ length: BUYERS }, (_, i) => `many-${i}@example.com`)
  await addUsers(users)
  const logins = await Promise.all(users.map((user, i) => clients[i % PROCESSES]!.login(user)))
  const begun = performance.now()
  const purchases = logins.map((login, i): Purchase => {
    const chosen = products.filter((_, p) => p === i % 5 || p === (i >> 2) % 5)
    const items = chosen.map(({ id }, position) => ({ productId: id, quantity: 1 + ((i + position) % 2) }))
    return { user: login.user, login, key: `purchase-${i}`, items: i % 3 === 0 ? items.reverse() : items }
  })
  const outcomes = await Promise.all(
    purchases.map(async (purchase, i) => {
      // Every eighth presses the button twice.
      const presses = i % 8 === 0 ? [i, i + 1] : [i]
      const replies = await Promise.all(presses.map((first) => insist(clients, first, purchase)))
      if (++answered === KILLED_AFTER) killed = shops[1]!.shop.stop('SIGKILL')
      return { purchase, replies }
    }),
  )
  const seconds = (performance.now() - begun) / 1_000
  t.match(await killed, { signal: 'SIGKILL' })

  const sold = new Map(products.map(({ id }) => [id, 0]))
  let cents = 0
  const told: string[] = []
  for (const { purchase, replies } of outcomes) {
    const [{ status, body }] = replies as [Reply]
    for (const reply of replies) t.same([reply.status, reply.body], [status, body], 'twice the same answer')
    if (status !== 201) {
      t.match({ status, body }, { status: 409, body: { code: 'SHOP_OUT_OF_STOCK' } })
      continue
    }
    const { total } = body as Order
    cents += Math.round(total * 100)
    told.push(`${purchase.user} ${total}`)
    for (const { productId, quantity } of purchase.items) sold.set(productId, sold.get(productId)! + quantity)
  }
  const refusals = BUYERS - told.length
  t.ok(told.length > 50 && refusals > 10, `${told.length} sold, ${refusals} refused, in ${seconds.toFixed(1)} s`)

  const stocks = await database.query<{ id: number; stock: number }>(
    'SELECT id, stock FROM shop.products WHERE id = ANY($1::int[]) ORDER BY id',
    [products.map(({ id }) => id)],
  )
  t.same(
    stocks.rows,
    [...sold].sort(([one], [other]) => one - other).map(([id, quantity]) => ({ id, stock: STOCK - quantity })),
  )
  t.ok(stocks.rows.every(({ stock }) => stock >= 0))
  const charged = await database.query<{ line: string }>(
    `SELECT user_id || ' ' || sum(quantity * unit_price)::float8 AS line FROM shop.orders JOIN shop.order_items ON order_id = orders.id
     WHERE user_id LIKE 'many-%' GROUP BY orders.id`,
  )
  t.same(charged.rows.map(({ line }) => line).sort(), told.sort(), 'every sale that was told, once, and no other')

  for (const [i, client] of clients.entries()) {
    if (i === 1) continue
    await pollUntil('the figures', async () => {
      const { orders, revenue } = (await client.get<Statistics>('/stats')).body
      const pages = await Promise.all(products.map(({ id }) => client.get<Product>(`/products/${id}`)))
      return (
        orders - before.orders === told.length &&
        Math.round((revenue - before.revenue) * 100) === cents &&
        pages.every(({ body }) => body.stock === STOCK - sold.get(body.id)!)
      )
    })
  }
})
