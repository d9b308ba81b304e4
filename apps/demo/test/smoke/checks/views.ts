import { deepEqual, equal } from 'node:assert/strict'
import { pollUntil } from '@larder/test-redis'
import { type Check, isProblem, makeProduct } from '../check.js'
import type { Problem } from '../client.js'

type Views = { total: number; pending: number }

/** Views of products. */
export const viewChecks: readonly Check[] = [
  {
    route: 'POST /products/:id/views',
    sees: 'each view counted once, whichever process took it',
    run: async ({ a, b }) => {
      const { id } = await makeProduct(a)
      const path = `/products/${id}/views`
      const views = Array.from({ length: 60 }, (_, i) => (i % 2 ? a : b).change('POST', path))
      for (const { status } of await Promise.all(views)) equal(status, 202)
      await pollUntil('the database to have them', async () => {
        const { body } = await a.get<Views>(path)
        return body.total === 60 && body.pending === 0
      })
      deepEqual((await b.get<Views>(path)).body, { total: 60, pending: 0 })
    },
  },
  {
    route: 'GET /products/:id/views',
    sees: 'none at first, and what is unknown',
    run: async ({ a }) => {
      const { id } = await makeProduct(a)
      deepEqual((await a.get<Views>(`/products/${id}/views`)).body, { total: 0, pending: 0 })
      const path = '/products/2000000000/views'
      for (const { status, body } of [await a.get<Problem>(path), await a.change<Problem>('POST', path)]) {
        equal(status, 404)
        isProblem(body, 404, /2000000000/)
      }
    },
  },
]
