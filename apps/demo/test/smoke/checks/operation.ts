import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import type { Statistics } from '@larder/demo'
import { type Check, isProblem } from '../check.js'
import type { Problem } from '../client.js'

/** How the shop is. */
export const operationChecks: readonly Check[] = [
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
    route: 'GET /stats',
    sees: 'figures that every process shares',
    run: async ({ a, b }) => {
      const { body } = await a.get<Statistics>('/stats')
      ok(body.products >= 5_000 && body.orders >= 2_000 && body.revenue > 0 && body.averagePrice > 0)
      for (const shop of [a, b]) equal((await shop.get<Statistics>('/stats')).body.computedAt, body.computedAt)
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
