import { match, ok } from 'node:assert/strict'
import type { Check } from './check.js'
import { cartChecks } from './checks/cart.js'
import { catalogueChangeChecks } from './checks/catalogue-changes.js'
import { eventChecks } from './checks/events.js'
import { leaderboardChecks } from './checks/leaderboards.js'
import { metricsChecks } from './checks/metrics.js'
import { operationChecks } from './checks/operation.js'
import { orderChecks } from './checks/orders.js'
import { productChecks } from './checks/products.js'
import { sessionChecks } from './checks/sessions.js'
import { viewChecks } from './checks/views.js'

const routes: readonly Check[] = [
  ...operationChecks,
  ...productChecks,
  ...catalogueChangeChecks,
  ...sessionChecks,
  ...cartChecks,
  ...orderChecks,
  ...eventChecks,
  ...leaderboardChecks,
  ...viewChecks,
]

/** Every route, as a user would use it. */
export const checks: readonly Check[] = [
  ...routes,
  ...metricsChecks,
  {
    route: 'GET /documentation',
    sees: 'a page, and OpenAPI of every route',
    run: async ({ a }) => {
      const page = await a.get<string>('/documentation')
      match(page.body, /<html/)
      const { body } = await a.get<{ openapi: string; paths: Record<string, object> }>('/documentation/json')
      match(body.openapi, /^3\.1/)
      for (const { route } of routes) {
        const [method = '', path = ''] = route.split(' ')
        const key = path.replace(/:(\w+)/g, '{$1}')
        if (key !== '/no-such-page') ok(method.toLowerCase() in (body.paths[key] ?? {}), route)
      }
    },
  },
]
