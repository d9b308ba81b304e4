import type { FastifyInstance } from 'fastify'
import { pages } from '../pages/pages.js'
import type { Parts } from '../parts.js'
import { cartRoutes } from './cart.js'
import { categoryRoutes } from './categories.js'
import { deviceRoutes } from './devices.js'
import { eventRoutes } from './events.js'
import { healthRoutes } from './health.js'
import { leaderboardRoutes } from './leaderboards.js'
import { orderRoutes } from './orders.js'
import { productImportRoutes } from './product-import.js'
import { productRoutes } from './products.js'
import { recentlyViewedRoutes } from './recently-viewed.js'
import { sessionRoutes } from './session.js'
import { statsRoutes } from './stats.js'
import { viewRoutes } from './views.js'

/** Registers every route of the shop. */
export async function registerRoutes(app: FastifyInstance, parts: Parts): Promise<void> {
  await app.register(healthRoutes, parts)
  await app.register(productRoutes, parts)
  await app.register(productImportRoutes, parts)
  await app.register(categoryRoutes, parts)
  await app.register(statsRoutes, parts)
  await app.register(sessionRoutes, parts)
  await app.register(deviceRoutes)
  await app.register(cartRoutes, parts)
  await app.register(orderRoutes, parts)
  await app.register(eventRoutes, parts)
  await app.register(leaderboardRoutes, parts)
  await app.register(recentlyViewedRoutes, parts)
  await app.register(pages, parts)
  await app.register(viewRoutes, parts)
}
