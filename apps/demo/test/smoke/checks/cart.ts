import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Cart, Product } from '@larder/demo'
import { type Check, emptyHanded, isProblem, makeProduct, soon } from '../check.js'
import type { Problem } from '../client.js'

/** What belongs to one user. */
export const cartChecks: readonly Check[] = [
  {
    route: 'GET /cart',
    sees: 'one’s own cart, at the price of now',
    run: async ({ a, b }) => {
      equal((await a.get('/cart')).status, 401)
      const user = await emptyHanded(a)
      deepEqual((await b.get('/cart', user)).body, { items: [], total: 0 })
      const { id } = await makeProduct(a, { price: 0.1 })
      await a.put(`/cart/${id}`, { quantity: 3 }, user)
      await soon(async () => equal((await b.get<Cart>('/cart', user)).body.total, 0.3))
      await a.change('PUT', `/products/${id}`, { price: 2.5 })
      await soon(async () => equal((await b.get<Cart>('/cart', user)).body.total, 7.5))
      const others = (await b.get<Cart>('/cart', await b.login())).body.items
      ok(others.every(({ productId }) => productId !== id))
      await a.change('DELETE', `/products/${id}`)
      await soon(async () => deepEqual((await b.get<Cart>('/cart', user)).body, { items: [], total: 0 }))
    },
  },
  {
    route: 'PUT /cart/:productId',
    sees: 'quantities set and products taken out, by any process',
    run: async ({ a, b }) => {
      const user = await emptyHanded(a)
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
    route: 'GET /recently-viewed',
    sees: 'the last 20, newest first, each once',
    run: async ({ a, b }) => {
      const user = await a.login()
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
]
