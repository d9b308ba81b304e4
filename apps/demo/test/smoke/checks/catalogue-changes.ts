import { deepEqual, equal, match } from 'node:assert/strict'
import type { ImportReport, Product, ProductPage } from '@larder/demo'
import { type Check, isProblem, makeProduct, soon, unique } from '../check.js'
import type { Problem } from '../client.js'

/** To change the catalogue, and who sees that. */
export const catalogueChangeChecks: readonly Check[] = [
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
]
