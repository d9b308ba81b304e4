import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Order, Product, ProductPage, Statistics } from '@larder/demo'
import { type Check, isProblem, makeProduct, soon, unique } from '../check.js'
import type { Problem } from '../client.js'

/** To buy. */
export const orderChecks: readonly Check[] = [
  {
    route: 'POST /orders',
    sees: 'the sale in pages, lists and figures of every process',
    run: async ({ a, b }) => {
      const user = await a.login()
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
      const [user, key] = [await a.login(), unique('key')]
      const { id } = await makeProduct(a, { stock: 5 })
      const items = [{ productId: id, quantity: 2 }]
      const answers = await Promise.all([a, b, a, b].map((shop) => shop.order<Order>(items, user, key)))
      for (const { status, body } of answers) deepEqual([status, body], [201, answers[0]?.body])
      equal((await b.order(items, user, key)).headers.get('idempotent-replayed'), 'true')
      isProblem((await b.order<Problem>([{ productId: id, quantity: 1 }], user, key)).body, 422, /Idempotency-Key/)
      await soon(async () => equal((await b.get<Product>(`/products/${id}`)).body.stock, 3))
      equal((await a.order(items, await b.login(), key)).status, 201)
      await soon(async () => equal((await b.get<Product>(`/products/${id}`)).body.stock, 1))
    },
  },
  {
    route: 'POST /orders',
    sees: 'all or nothing, and why not',
    run: async ({ a, b }) => {
      const [user, key] = [await a.login(), unique('key')]
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
      isProblem((await a.asStranger<Problem>('POST', '/orders', { items })).body, 401, /Log in/)
    },
  },
  {
    route: 'GET /orders',
    sees: 'my own, newest first',
    run: async ({ a, b }) => {
      const user = await a.login()
      const { id } = await makeProduct(a, { stock: 5 })
      const orders: Order[] = []
      for (const quantity of [1, 2])
        orders.unshift((await a.order<Order>([{ productId: id, quantity }], user, unique('key'))).body)
      const mine = (await b.get<{ items: Order[] }>('/orders', user)).body.items
      deepEqual(mine.slice(0, 2), orders)
      const others = (await b.get<{ items: Order[] }>('/orders', await b.login())).body.items
      ok(others.every((order) => mine.every(({ id }) => id !== order.id)))
      equal((await a.get('/orders')).status, 401)
    },
  },
  {
    route: 'GET /orders/:id',
    sees: 'my order as it was sold, and no one else',
    run: async ({ a, b }) => {
      const user = await a.login()
      const { id } = await makeProduct(a, { price: 2, stock: 5 })
      const { body: order } = await a.order<Order>([{ productId: id, quantity: 2 }], user, unique('key'))
      await a.change('PUT', `/products/${id}`, { price: 3 })
      deepEqual((await b.get<Order>(`/orders/${order.id}`, user)).body, order)
      await a.change('DELETE', `/products/${id}`)
      equal((await b.get<Order>(`/orders/${order.id}`, user)).body.items[0]?.productId, null)
      isProblem((await b.get<Problem>(`/orders/${order.id}`, await b.login())).body, 404, new RegExp(`${order.id}`))
    },
  },
]
