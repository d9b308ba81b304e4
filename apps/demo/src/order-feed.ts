import type { Events, Reading, Stream } from '@larder/events'
import type { FastifyBaseLogger } from 'fastify'
import type { Database } from './database.js'

/** An order as everybody may see it: not whose it is. */
export type SoldOrder = {
  id: number
  total: number
  items: { productId: number | null; quantity: number }[]
  createdAt: string
}

/** What {@link OrderFeed} works with. */
export type OrderFeedParts = { database: Database; events: Events; log: FastifyBaseLogger }

/** Orders that browsers may miss and still get. */
const KEPT = 10_000
/** Orders that one sale announces at most: its own, and some that could not be when they were sold. */
const AT_ONCE = 20

const SOLD = `
  SELECT orders.id, created_at AS "createdAt", lines.total, lines.items
  FROM shop.orders, LATERAL (
    SELECT sum(quantity * unit_price)::float8 AS total,
      jsonb_agg(jsonb_build_object('productId', product_id, 'quantity', quantity) ORDER BY product_id) AS items
    FROM shop.order_items WHERE order_id = orders.id) AS lines
  WHERE NOT announced ORDER BY orders.id LIMIT ${AT_ONCE} FOR UPDATE OF orders SKIP LOCKED`

/** What is sold, as it is sold: a stream, which the orders in the database are the outbox of. */
export class OrderFeed {
  readonly #database: Database
  readonly #stream: Stream<SoldOrder>
  readonly #log: FastifyBaseLogger

  constructor({ database, events, log }: OrderFeedParts) {
    this.#database = database
    this.#stream = events.stream<SoldOrder>(['orders', database.identity], { maxLength: KEPT })
    this.#log = log
  }

  /**
   * Adds what was sold and is not in the stream yet. An order whose process died, or that was sold while Redis was away, comes with
   * the next sale; one may come twice if the database fails just then. No sale fails of it.
   */
  async announce(): Promise<void> {
    try {
      await this.#database.transaction(async (transaction) => {
        const { rows } = await transaction.query<Omit<SoldOrder, 'createdAt'> & { createdAt: Date }>(SOLD)
        for (const order of rows) await this.#stream.add({ ...order, createdAt: order.createdAt.toISOString() })
        await transaction.query('UPDATE shop.orders SET announced = true WHERE id = ANY($1::int[])', [
          rows.map(({ id }) => id),
        ])
      })
    } catch (error) {
      this.#log.warn({ err: error }, 'an order was not announced, the next one will bring it')
    }
  }

  /** Orders after one that is known already, by the id of its entry, or from now on. */
  read(options: { after: string | undefined; signal: AbortSignal }): Reading<SoldOrder> {
    return this.#stream.read(options)
  }
}
