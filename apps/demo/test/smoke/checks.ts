import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import type { Cart, Category, ImportReport, Order, Product, ProductPage, Statistics } from '@larder/demo'
import { pollUntil } from '@larder/test-redis'
import type { Problem, ShopClient } from './client.js'

/** What a check drives. */
export type Shops = {
  /** A shop that people write to. */
  a: ShopClient
  /** Another process of the same shop; in memory the same one. */
  b: ShopClient
  /** What the shop's `/health` says of Redis. */
  redis: 'memory' | 'ready'
}

/** One thing that a user would do, and what must come of it. */
export type Check = { route: string; sees: string; run: (shops: Shops) => Promise<void> }

/** What another process shows may be this old: the limit of the feed's heartbeat. */
const HEARD_WITHIN = 2_000

type Line = { member: string; score: number; rank: number }
type Ranking = { board: string; window: string; total: number; items: Line[] }

let names = 0
/** A name that nobody else uses: of a product to search for, or of a user. */
const unique = (noun: string) => `${noun}-${process.pid}-${++names}`

async function makeProduct(shop: ShopClient, draft: Partial<Product> = {}): Promise<Product> {
  const body = { name: unique('Smoke'), price: 12.5, categoryId: 7, ...draft }
  const { status, body: product } = await shop.change<Product>('POST', '/products', body)
  equal(status, 201)
  return product
}

/** The check passes soon: at once in the process that wrote, when the feed has told it in another one. */
async function soon(check: () => Promise<void>): Promise<void> {
  const passes = async () => {
    await check()
    return true
  }
  await pollUntil('the other process', passes, HEARD_WITHIN).catch((error: Error) =>
    Promise.reject(error.cause ?? error),
  )
}

function isProblem(problem: Problem, statusCode: number, message: RegExp): void {
  deepEqual(Object.keys(problem).sort(), ['code', 'error', 'message', 'statusCode'])
  equal(problem.statusCode, statusCode)
  match(problem.message, message)
}

/** Every route, as a user would use it. */
export const checks: readonly Check[] = [
  {
    route: 'GET /health',
    sees: 'every process is well',
    run: async ({ a, b, redis }) => {
      for (const shop of [a, b]) {
        const { status, body } = await shop.get('/health')
        equal(status, 200)
        deepEqual(body, { status: 'ok', redis, database: 'ready' })
      }
    },
  },
  {
    route: 'GET /documentation',
    sees: 'a page, and OpenAPI of every route',
    run: async ({ a }) => {
      const page = await a.get<string>('/documentation')
      match(page.body, /<html/)
      const { body } = await a.get<{ openapi: string; paths: Record<string, object> }>('/documentation/json')
      match(body.openapi, /^3\.1/)
      for (const { route } of checks) {
        const [method = '', path = ''] = route.split(' ')
        const key = path.replace(/:(\w+)/g, '{$1}')
        if (key !== '/documentation' && key !== '/no-such-page')
          ok(method.toLowerCase() in (body.paths[key] ?? {}), route)
      }
    },
  },
  {
    route: 'GET /categories',
    sees: '40 categories, all products in them',
    run: async ({ a }) => {
      const { body } = await a.get<{ items: Category[] }>('/categories')
      equal(body.items.length, 40)
      ok(body.items.reduce((sum, { products }) => sum + products, 0) >= 5_000)
    },
  },
  {
    route: 'GET /products',
    sees: 'filters, order and pages',
    run: async ({ a, b }) => {
      const query = '/products?category=5&minPrice=100&maxPrice=900&sort=-price&pageSize=10'
      const first = (await a.get<ProductPage>(query)).body
      const second = (await b.get<ProductPage>(`${query}&page=2`)).body
      equal(first.items.length, 10)
      equal(first.pages, Math.ceil(first.total / 10))
      equal(first.total, second.total)
      const items = [...first.items, ...second.items]
      equal(new Set(items.map(({ id }) => id)).size, items.length)
      ok(items.every(({ categoryId, price }) => categoryId === 5 && price >= 100 && price <= 900))
      deepEqual(
        items.map(({ price }) => price),
        items.map(({ price }) => price).sort((x, y) => y - x),
      )
      const found = (await a.get<ProductPage>('/products?q=CHAIR')).body
      ok(found.items.every(({ name, description }) => /chair/i.test(name + description)))
      ok(found.total > 0)
    },
  },
  {
    route: 'GET /products',
    sees: 'a miss, then hits in every process',
    run: async ({ a, b }) => {
      const query = `/products?maxPrice=500&pageSize=5&q=${unique('a')}`
      equal((await a.get(query)).headers.get('cache-status'), 'Larder; fwd=miss; stored')
      for (const shop of [a, b])
        match((await shop.get(query)).headers.get('cache-status') ?? '', /^Larder; hit; ttl=\d+$/)
    },
  },
  {
    route: 'GET /products',
    sees: 'which field is wrong',
    run: async ({ a }) => {
      const wrong = { page: '0', pageSize: '1000', category: 'tools', sort: 'colour', minPrice: '-1', q: '%00' }
      for (const [field, value] of Object.entries(wrong)) {
        const { status, body } = await a.get<Problem>(`/products?${field}=${value}`)
        equal(status, 400)
        isProblem(body, 400, new RegExp(field))
      }
    },
  },
  {
    route: 'GET /products/:id',
    sees: 'a miss, then hits in every process',
    run: async ({ a, b }) => {
      const { body: page } = await a.get<ProductPage>('/products?sort=-name&pageSize=1')
      const path = `/products/${page.items[0]?.id}`
      const first = await a.get<Product>(path)
      equal(first.headers.get('cache-status'), 'Larder; fwd=miss; stored')
      deepEqual(first.body, page.items[0])
      for (const shop of [a, b]) {
        const again = await shop.get<Product>(path)
        match(again.headers.get('cache-status') ?? '', /^Larder; hit; ttl=(600|59\d)$/)
        deepEqual(again.body, first.body)
      }
    },
  },
  {
    route: 'GET /products/:id',
    sees: 'what is unknown or no id',
    run: async ({ a }) => {
      const unknown = await a.get<Problem>('/products/2000000000')
      equal(unknown.status, 404)
      isProblem(unknown.body, 404, /2000000000/)
      for (const id of ['0', 'abc', '1e9x', '99999999999999999999']) {
        const { status, body } = await a.get<Problem>(`/products/${id}`)
        equal(status, 400)
        isProblem(body, 400, /id/)
      }
    },
  },
  {
    route: 'POST /products',
    sees: 'the new product in lists and pages of every process',
    run: async ({ a, b }) => {
      const name = unique('Smoke')
      const list = `/products?q=${name}`
      equal((await b.get<ProductPage>(list)).body.total, 0)
      const product = await makeProduct(a, { name, stock: 3 })
      deepEqual((await a.get<Product>(`/products/${product.id}`)).body, product)
      for (const shop of [a, b])
        await soon(async () => deepEqual((await shop.get<ProductPage>(list)).body.items, [product]))
      deepEqual((await b.get<Product>(`/products/${product.id}`)).body, product)
    },
  },
  {
    route: 'POST /products',
    sees: 'who may, and which field is wrong',
    run: async ({ a }) => {
      const draft = { name: 'x', price: 1, categoryId: 1 }
      equal((await a.asStranger('POST', '/products', draft)).status, 401)
      const wrong = { name: '', price: '1', categoryId: 41, stock: 0.5, description: 7 }
      for (const [field, value] of Object.entries(wrong)) {
        const { status, body } = await a.change<Problem>('POST', '/products', { ...draft, [field]: value })
        equal(status, 400)
        isProblem(body, 400, new RegExp(field))
      }
      isProblem((await a.change<Problem>('POST', '/products', { name: 'x' })).body, 400, /categoryId|price/)
    },
  },
  {
    route: 'PUT /products/:id',
    sees: 'the new price on every list and page, in every process',
    run: async ({ a, b }) => {
      const { id, name } = await makeProduct(a)
      const places = [`/products?q=${name}`, `/products?category=7&q=${name}`, `/products?sort=-createdAt&q=${name}`]
      for (const shop of [a, b]) for (const path of [`/products/${id}`, ...places]) await shop.get(path)
      const { status, body: changed } = await a.change<Product>('PUT', `/products/${id}`, { price: 0.99 })
      equal(status, 200)
      equal(changed.price, 0.99)
      equal(changed.name, name)
      for (const shop of [a, b])
        await soon(async () => {
          deepEqual((await shop.get<Product>(`/products/${id}`)).body, changed)
          for (const path of places) deepEqual((await shop.get<ProductPage>(path)).body.items, [changed])
        })
    },
  },
  {
    route: 'PUT /products/:id',
    sees: 'a product leave one category and enter another; others stay cached',
    run: async ({ a, b }) => {
      const { id, name } = await makeProduct(a, { categoryId: 8 })
      const [from, to, other] = [8, 9, 10].map((category) => `/products?category=${category}&q=${name}`) as [
        string,
        string,
        string,
      ]
      for (const path of [from, to, other]) await b.get(path)
      equal((await a.change('PUT', `/products/${id}`, { categoryId: 9 })).status, 200)
      await soon(async () => equal((await b.get<ProductPage>(from)).body.total, 0))
      await soon(async () => equal((await b.get<ProductPage>(to)).body.total, 1))
      match((await b.get(other)).headers.get('cache-status') ?? '', /hit/)
    },
  },
  {
    route: 'PUT /products/:id',
    sees: 'who may, what is unknown, which field is wrong',
    run: async ({ a }) => {
      equal((await a.asStranger('PUT', '/products/1', { price: 1 })).status, 401)
      equal((await a.change('PUT', '/products/2000000000', { price: 1 })).status, 404)
      isProblem((await a.change<Problem>('PUT', '/products/1', { price: 0.001 })).body, 400, /price/)
      isProblem((await a.change<Problem>('PUT', '/products/1', { categoryId: 41 })).body, 400, /categoryId/)
    },
  },
  {
    route: 'DELETE /products/:id',
    sees: 'the product gone from lists and pages of every process',
    run: async ({ a, b }) => {
      const { id, name } = await makeProduct(a)
      const list = `/products?q=${name}`
      for (const shop of [a, b]) for (const path of [`/products/${id}`, list]) equal((await shop.get(path)).status, 200)
      equal((await a.asStranger('DELETE', `/products/${id}`, {})).status, 401)
      equal((await a.change('DELETE', `/products/${id}`)).status, 204)
      for (const shop of [a, b])
        await soon(async () => {
          equal((await shop.get(`/products/${id}`)).status, 404)
          equal((await shop.get<ProductPage>(list)).body.total, 0)
        })
      equal((await a.change('DELETE', `/products/${id}`)).status, 404)
    },
  },
  {
    route: 'POST /products/import',
    sees: 'new and changed products at once, bad lines by number',
    run: async ({ a, b }) => {
      const { id, name } = await makeProduct(a)
      const batch = unique('Batch')
      const list = `/products?q=${batch}&pageSize=1`
      equal((await b.get<ProductPage>(list)).body.total, 0)
      await b.get(`/products/${id}`)
      const lines = Array.from({ length: 1_200 }, (_, i) =>
        JSON.stringify({ name: `${batch} ${i}`, price: i, categoryId: 3 }),
      )
      lines[99] = '{ "name": '
      lines[199] = JSON.stringify({ name: 'no price', categoryId: 3 })
      lines.push('', JSON.stringify({ id, stock: 77 }))
      const { status, body } = await a.import<ImportReport>(lines)
      equal(status, 200)
      deepEqual([body.created, body.updated, body.failed], [1_198, 1, 2])
      deepEqual(
        body.errors.map(({ line }) => line),
        [100, 200],
      )
      match(body.errors[1]?.message ?? '', /price/)
      for (const shop of [a, b])
        await soon(async () => {
          equal((await shop.get<ProductPage>(list)).body.total, 1_198)
          const { body: product } = await shop.get<Product>(`/products/${id}`)
          deepEqual([product.stock, product.name], [77, name])
        })
    },
  },
  {
    route: 'POST /products/import',
    sees: 'who may, and what nothing could be taken of',
    run: async ({ a }) => {
      equal((await a.asStranger('POST', '/products/import', {})).status, 401)
      isProblem((await a.import<Problem>(['nonsense'])).body, 400, /line 1/i)
      isProblem((await a.import<Problem>([])).body, 400, /line 1/i)
    },
  },
  {
    route: 'GET /products/:id/visitors',
    sees: 'each visitor counted once',
    run: async ({ a, b }) => {
      const { id } = await makeProduct(a)
      const users = [unique('user'), unique('user'), unique('user')]
      for (const user of [...users, ...users]) await a.get(`/products/${id}`, user)
      await soon(async () => deepEqual((await b.get(`/products/${id}/visitors`)).body, { productId: id, visitors: 3 }))
      equal((await a.get('/products/2000000000/visitors')).status, 404)
    },
  },
  {
    route: 'GET /stats',
    sees: 'figures that every process shares',
    run: async ({ a, b }) => {
      const { body } = await a.get<Statistics>('/stats')
      ok(body.products >= 5_000 && body.orders >= 2_000 && body.revenue > 0 && body.averagePrice > 0)
      for (const shop of [a, b]) equal((await shop.get<Statistics>('/stats')).body.computedAt, body.computedAt)
    },
  },
  {
    route: 'GET /cart',
    sees: 'one’s own cart, at the price of now',
    run: async ({ a, b }) => {
      const user = unique('user')
      equal((await a.get('/cart')).status, 401)
      deepEqual((await b.get('/cart', user)).body, { items: [], total: 0 })
      const { id } = await makeProduct(a, { price: 0.1 })
      await a.put(`/cart/${id}`, { quantity: 3 }, user)
      await soon(async () => equal((await b.get<Cart>('/cart', user)).body.total, 0.3))
      await a.change('PUT', `/products/${id}`, { price: 2.5 })
      await soon(async () => equal((await b.get<Cart>('/cart', user)).body.total, 7.5))
      deepEqual((await b.get<Cart>('/cart', unique('user'))).body.items, [])
      await a.change('DELETE', `/products/${id}`)
      await soon(async () => deepEqual((await b.get<Cart>('/cart', user)).body, { items: [], total: 0 }))
    },
  },
  {
    route: 'PUT /cart/:productId',
    sees: 'quantities set and products taken out, by any process',
    run: async ({ a, b }) => {
      const user = unique('user')
      const { id, name } = await makeProduct(a, { price: 19.99 })
      const { status, body } = await a.put<Cart>(`/cart/${id}`, { quantity: 3 }, user)
      equal(status, 200)
      deepEqual(body, { items: [{ productId: id, name, price: 19.99, quantity: 3, subtotal: 59.97 }], total: 59.97 })
      deepEqual((await b.put<Cart>(`/cart/${id}`, { quantity: 0 }, user)).body, { items: [], total: 0 })
      await soon(async () => deepEqual((await a.get<Cart>('/cart', user)).body, { items: [], total: 0 }))
      equal((await a.put('/cart/2000000000', { quantity: 1 }, user)).status, 404)
      isProblem((await a.put<Problem>(`/cart/${id}`, { quantity: -1 }, user)).body, 400, /quantity/)
      isProblem((await a.put<Problem>(`/cart/${id}`, {}, user)).body, 400, /quantity/)
    },
  },
  {
    route: 'POST /orders',
    sees: 'the sale in pages, lists and figures of every process',
    run: async ({ a, b }) => {
      const user = unique('user')
      const { id, name } = await makeProduct(a, { price: 19.99, stock: 5 })
      const other = await makeProduct(a, { price: 0.1, stock: 5, categoryId: 8 })
      const [page, list] = [`/products/${id}`, `/products?category=7&q=${name}`]
      for (const shop of [a, b]) for (const path of [page, list, '/stats']) await shop.get(path)
      const before = (await b.get<Statistics>('/stats')).body
      const items = [
        { productId: other.id, quantity: 3 },
        { productId: id, quantity: 2 },
      ]
      const { status, body, headers } = await a.order<Order>(items, user, unique('key'))
      equal(status, 201)
      equal(headers.get('location'), `/orders/${body.id}`)
      equal(body.total, 40.28)
      deepEqual(body.items, [
        { productId: id, price: 19.99, quantity: 2, subtotal: 39.98 },
        { productId: other.id, price: 0.1, quantity: 3, subtotal: 0.3 },
      ])
      for (const shop of [a, b])
        await soon(async () => {
          equal((await shop.get<Product>(page)).body.stock, 3)
          equal((await shop.get<ProductPage>(list)).body.items[0]?.stock, 3)
          const { orders, revenue } = (await shop.get<Statistics>('/stats')).body
          equal(orders, before.orders + 1)
          equal(Math.round((revenue - before.revenue) * 100), 4_028)
        })
    },
  },
  {
    route: 'POST /orders',
    sees: 'one sale, however often and wherever it is sent',
    run: async ({ a, b }) => {
      const [user, key] = [unique('user'), unique('key')]
      const { id } = await makeProduct(a, { stock: 5 })
      const items = [{ productId: id, quantity: 2 }]
      const answers = await Promise.all([a, b, a, b].map((shop) => shop.order<Order>(items, user, key)))
      for (const { status, body } of answers) deepEqual([status, body], [201, answers[0]?.body])
      equal((await b.order(items, user, key)).headers.get('idempotent-replayed'), 'true')
      isProblem((await b.order<Problem>([{ productId: id, quantity: 1 }], user, key)).body, 422, /Idempotency-Key/)
      await soon(async () => equal((await b.get<Product>(`/products/${id}`)).body.stock, 3))
      equal((await a.order(items, unique('user'), key)).status, 201)
      await soon(async () => equal((await b.get<Product>(`/products/${id}`)).body.stock, 1))
    },
  },
  {
    route: 'POST /orders',
    sees: 'all or nothing, and why not',
    run: async ({ a, b }) => {
      const [user, key] = [unique('user'), unique('key')]
      const { id, name } = await makeProduct(a, { stock: 5 })
      const scarce = await makeProduct(a, { stock: 1 })
      const items = [{ productId: id, quantity: 1 }]
      const refused = await a.order<Problem>([...items, { productId: scarce.id, quantity: 2 }], user, key)
      equal(refused.status, 409)
      isProblem(refused.body, 409, new RegExp(`1 .* product ${scarce.id}, ${scarce.name}`))
      deepEqual((await b.order([{ productId: scarce.id, quantity: 2 }, ...items], user, key)).body, refused.body)
      isProblem(
        (await a.order<Problem>([...items, ...items, { productId: id, quantity: 4 }], user, `${key}-2`)).body,
        409,
        new RegExp(name),
      )
      const unknown = await a.order<Problem>([...items, { productId: 2_000_000_000, quantity: 1 }], user, `${key}-3`)
      isProblem(unknown.body, 404, /2000000000/)
      equal((await a.get<Product>(`/products/${id}`)).body.stock, 5)
      for (const wrong of [
        [],
        [{ productId: id }],
        [{ productId: id, quantity: 0 }],
        [{ productId: 'x', quantity: 1 }],
      ])
        isProblem((await a.order<Problem>(wrong, user, `${key}-4`)).body, 400, /items/)
      isProblem((await a.order<Problem>(items, user, '')).body, 400, /idempotency-key/)
      isProblem((await a.asStranger<Problem>('POST', '/orders', { items })).body, 400, /idempotency-key/)
      equal((await a.order(items, '', `${key}-5`)).status, 400)
    },
  },
  {
    route: 'GET /orders',
    sees: 'my own, newest first',
    run: async ({ a, b }) => {
      const user = unique('user')
      const { id } = await makeProduct(a, { stock: 5 })
      const orders: Order[] = []
      for (const quantity of [1, 2])
        orders.unshift((await a.order<Order>([{ productId: id, quantity }], user, unique('key'))).body)
      deepEqual((await b.get<{ items: Order[] }>('/orders', user)).body.items, orders)
      deepEqual((await b.get<{ items: Order[] }>('/orders', unique('user'))).body.items, [])
      equal((await a.get('/orders')).status, 401)
    },
  },
  {
    route: 'GET /orders/:id',
    sees: 'my order as it was sold, and no one else',
    run: async ({ a, b }) => {
      const user = unique('user')
      const { id } = await makeProduct(a, { price: 2, stock: 5 })
      const { body: order } = await a.order<Order>([{ productId: id, quantity: 2 }], user, unique('key'))
      await a.change('PUT', `/products/${id}`, { price: 3 })
      deepEqual((await b.get<Order>(`/orders/${order.id}`, user)).body, order)
      await a.change('DELETE', `/products/${id}`)
      equal((await b.get<Order>(`/orders/${order.id}`, user)).body.items[0]?.productId, null)
      isProblem((await b.get<Problem>(`/orders/${order.id}`, unique('user'))).body, 404, new RegExp(`${order.id}`))
    },
  },
  {
    route: 'GET /leaderboards/:board',
    sees: 'best-sellers follow the orders, in every window and process, once an order',
    run: async ({ a, b }) => {
      const [user, key] = [unique('user'), unique('key')]
      const [{ id: first }, { id: second }] = [
        await makeProduct(a, { stock: 3_000 }),
        await makeProduct(a, { stock: 3_000 }),
      ]
      const order = [{ productId: first, quantity: 1_000 }]
      for (const shop of [a, b]) await shop.order(order, user, key)
      await b.order([...order, { productId: second, quantity: 1_000 }], unique('user'), unique('key'))
      for (const window of ['all', 'day', 'week', 'month']) {
        for (const shop of [a, b]) {
          const { body } = await shop.get<Ranking>(`/leaderboards/best-sellers?window=${window}&limit=100`)
          const scores = new Map(body.items.map(({ member, score }) => [member, score]))
          deepEqual([scores.get(`${first}`), scores.get(`${second}`)], [2_000, 1_000])
          equal(body.window, window)
          ok(body.total >= 2)
        }
      }
      equal((await a.get<Ranking>('/leaderboards/best-sellers?limit=1')).body.items.length, 1)
      isProblem((await a.get<Problem>('/leaderboards/best-sellers?window=year')).body, 400, /window/)
    },
  },
  {
    route: 'PUT /leaderboards/:board/:member',
    sees: 'scores of any board but the best-sellers; of equal ones the first is first',
    run: async ({ a, b }) => {
      const board = `/leaderboards/${unique('board')}`
      const scores = { zoe: 7.5, ann: 7.5, bob: -2, cat: 9_007_199_254_740_991 }
      for (const [member, score] of Object.entries(scores)) {
        const { status, body } = await a.put<Line>(`${board}/${member}`, { score }, unique('user'))
        equal(status, 200)
        deepEqual([body.member, body.score], [member, score])
      }
      deepEqual((await b.get<Ranking>(`${board}?window=month`)).body.items, [
        { member: 'cat', score: 9_007_199_254_740_991, rank: 1 },
        { member: 'zoe', score: 7.5, rank: 2 },
        { member: 'ann', score: 7.5, rank: 3 },
        { member: 'bob', score: -2, rank: 4 },
      ])
      const fed = await a.put<Problem>('/leaderboards/best-sellers/1', { score: 1 }, unique('user'))
      isProblem(fed.body, 409, /best-sellers/)
      isProblem((await a.put<Problem>(`${board}/ann`, { score: '1' }, unique('user'))).body, 400, /score/)
      isProblem((await a.put<Problem>('/leaderboards/%7B/ann', { score: 1 }, unique('user'))).body, 400, /board/)
    },
  },
  {
    route: 'GET /leaderboards/:board/:member',
    sees: 'where a member stands, in every process',
    run: async ({ a, b }) => {
      const board = `/leaderboards/${unique('board')}`
      for (const [i, member] of ['ann', 'bob'].entries())
        await a.put(`${board}/${member}`, { score: i }, unique('user'))
      deepEqual((await b.get<Line>(`${board}/ann?window=week`)).body, { member: 'ann', score: 0, rank: 2 })
      isProblem((await b.get<Problem>(`${board}/cat`)).body, 404, /cat has no score/)
    },
  },
  {
    route: 'GET /recently-viewed',
    sees: 'the last 20, newest first, each once',
    run: async ({ a, b }) => {
      const user = unique('user')
      for (let id = 101; id <= 125; id++) await a.get(`/products/${id}`, user)
      await b.get('/products/110', user)
      const newest = [110, ...Array.from({ length: 25 }, (_, i) => 125 - i).filter((id) => id !== 110)].slice(0, 20)
      await soon(async () => {
        const { body } = await a.get<{ items: Product[] }>('/recently-viewed', user)
        deepEqual(
          body.items.map(({ id }) => id),
          newest,
        )
      })
      equal((await a.get('/recently-viewed')).status, 401)
    },
  },
  {
    route: 'GET /no-such-page',
    sees: 'an error like all others',
    run: async ({ a }) => {
      const { status, body } = await a.get<Problem>('/no-such-page')
      equal(status, 404)
      isProblem(body, 404, /no-such-page/)
      notEqual(body.code, '')
    },
  },
]
