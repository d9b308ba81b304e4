import type { FastifyInstance } from 'fastify'
import { Carts } from './cart.js'
import { Catalogue } from './catalogue.js'
import { Logins } from './logins.js'
import { MemoryVisits } from './memory-visits.js'
import { OrderFeed } from './order-feed.js'
import { Orders } from './orders.js'
import type { Ground } from './plugins.js'
import { Rankings } from './rankings.js'
import { RedisVisits } from './redis-visits.js'
import { Users } from './users.js'
import { Views } from './views.js'
import type { Visits } from './visits.js'

/** What the routes call. */
export type Parts = ReturnType<typeof makeParts>

/** Makes the shop's parts, on the plugins that are registered. */
export function makeParts(app: FastifyInstance, { database, redis, ownRedis }: Ground) {
  const { cache, tags, locks, leaderboards, writeBehind, events } = app
  const catalogue = new Catalogue(database, cache, tags)
  const rankings = new Rankings({ database, leaderboards, log: app.log })
  const orderFeed = new OrderFeed({ database, events, log: app.log })
  const visits: Visits = redis ? new RedisVisits(redis, database.identity) : new MemoryVisits()
  return {
    database,
    redis,
    ownRedis,
    cache,
    catalogue,
    visits,
    views: new Views(database, writeBehind),
    rankings,
    orderFeed,
    carts: new Carts(database, cache, catalogue),
    orders: new Orders({ database, locks, catalogue, tags, rankings, orderFeed }),
    logins: new Logins(app, new Users(database)),
  }
}
