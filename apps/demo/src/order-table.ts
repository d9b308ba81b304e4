import type { Queryable } from './database.js'
import type { Order, OrderLine } from './order.js'

/** What a product's row says to who wants to buy it. */
export type Shelf = { id: number; name: string; stock: number }

/** A line with the token of the lock under which it is sold. */
export type FencedLine = OrderLine & { token: bigint }

const ITEMS = `sum(quantity * unit_price)::float8 AS total,
  jsonb_agg(jsonb_build_object('productId', product_id, 'price', unit_price, 'quantity', quantity,
    'subtotal', quantity * unit_price) ORDER BY product_id) AS items`

type Row = Omit<Order, 'createdAt'> & { createdAt: Date }

/** The products of these ids, which nobody else can change until the transaction ends. In one order, so that no two wait for each other. */
export async function lockShelves(transaction: Queryable, ids: readonly number[]): Promise<Shelf[]> {
  const { rows } = await transaction.query<Shelf>(
    'SELECT id, name, stock FROM shop.products WHERE id = ANY($1::int[]) ORDER BY id FOR UPDATE',
    [ids],
  )
  return rows
}

/**
 * Takes from stock what is there, and only for who has a newer token than all before: one that was paused, lost its lock and does
 * not know it yet takes nothing.
 *
 * @returns how many lines were taken
 */
export async function takeStock(transaction: Queryable, lines: readonly FencedLine[]): Promise<number> {
  const { rows } = await transaction.query(
    `UPDATE shop.products SET stock = stock - line.quantity, fence = line.token, updated_at = now()
     FROM jsonb_to_recordset($1::jsonb) AS line ("productId" integer, quantity integer, token bigint)
     WHERE id = line."productId" AND fence < line.token AND stock >= line.quantity RETURNING id`,
    [JSON.stringify(lines.map(({ token, ...line }) => ({ ...line, token: String(token) })))],
  )
  return rows.length
}

/** Writes an order at today's prices. */
export async function insertOrder(transaction: Queryable, user: string, lines: readonly OrderLine[]): Promise<Order> {
  const { rows } = await transaction.query<Row>(
    `WITH made AS (INSERT INTO shop.orders (user_id, announced) VALUES ($1, false) RETURNING id, created_at),
       sold AS (
         INSERT INTO shop.order_items (order_id, product_id, quantity, unit_price)
         SELECT made.id, products.id, line.quantity, products.price
         FROM made, jsonb_to_recordset($2::jsonb) AS line ("productId" integer, quantity integer)
           JOIN shop.products ON products.id = line."productId"
         RETURNING product_id, quantity, unit_price)
     SELECT id, created_at AS "createdAt", ${ITEMS} FROM made, sold GROUP BY id, created_at`,
    [user, JSON.stringify(lines)],
  )
  return toOrder(rows[0]!) // RETURNING answers for the inserted rows
}

/** The user's orders, newest first, at most `limit`; only the one of that id where given. */
export async function selectOrders(
  database: Queryable,
  user: string,
  { id, limit }: { id?: number; limit: number },
): Promise<Order[]> {
  const { rows } = await database.query<Row>(
    `SELECT orders.id, orders.created_at AS "createdAt", ${ITEMS}
     FROM shop.orders JOIN shop.order_items ON order_id = orders.id
     WHERE user_id = $1 AND ($2::int IS NULL OR orders.id = $2)
     GROUP BY orders.id ORDER BY orders.created_at DESC, orders.id DESC LIMIT $3`,
    [user, id ?? null, limit],
  )
  return rows.map(toOrder)
}

function toOrder(row: Row): Order {
  return { ...row, createdAt: row.createdAt.toISOString() }
}
