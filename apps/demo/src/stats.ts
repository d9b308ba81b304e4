import type { Cache, Entry } from '@larder/cache-aside'
import { type Static, Type } from 'typebox'
import type { Database } from './database.js'

/** Figures over the whole shop, as they were at `computedAt`. */
export const Statistics = Type.Object({
  products: Type.Integer(),
  orders: Type.Integer(),
  revenue: Type.Number(),
  averagePrice: Type.Number(),
  computedAt: Type.String({ format: 'date-time' }),
})
export type Statistics = Static<typeof Statistics>

/** On what counts orders. */
export const ORDERS = 'orders'

const QUERY = `
  SELECT (SELECT count(*)::int FROM shop.products) AS products,
         (SELECT count(*)::int FROM shop.orders) AS orders,
         (SELECT coalesce(sum(quantity * unit_price), 0)::float8 FROM shop.order_items) AS revenue,
         (SELECT coalesce(round(avg(price), 2), 0)::float8 FROM shop.products) AS "averagePrice"`

/** Too dear to compute at each request, and nobody minds if they are a quarter of an hour old; an import or an order renews them. */
export function statistics(database: Database, cache: Cache): Promise<Entry<Statistics>> {
  const compute = async () => {
    const { rows } = await database.query<Omit<Statistics, 'computedAt'>>(QUERY)
    return { ...rows[0]!, computedAt: new Date().toISOString() } // without FROM there is always one row
  }
  return cache.entry('stats', compute, { ttl: '15m', tags: ['products', ORDERS] })
}
