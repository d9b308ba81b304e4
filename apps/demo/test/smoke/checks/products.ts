import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { Category, Product, ProductPage } from '@larder/demo'
import { type Check, isProblem, makeProduct, soon, unique } from '../check.js'
import type { Problem } from '../client.js'

/** To look at the catalogue. */
export const productChecks: readonly Check[] = [
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
      equal((await a.get(query)).headers.get('cache-status'), 'Larder; fwd=uri-miss; ttl=60; stored')
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
    route: 'GET /products/:id/visitors',
    sees: 'each visitor counted once',
    run: async ({ a, b }) => {
      const { id } = await makeProduct(a)
      const users = [await a.login(), await b.login(), await a.login()]
      for (const user of [...users, ...users]) await a.get(`/products/${id}`, user)
      await soon(async () => deepEqual((await b.get(`/products/${id}/visitors`)).body, { productId: id, visitors: 3 }))
      equal((await a.get('/products/2000000000/visitors')).status, 404)
    },
  },
]
