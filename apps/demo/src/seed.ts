import type { Queryable } from './database.js'
import { AMOUNTS, type FakeData, makeFakeData } from './fake-data.js'
import type { Progress } from './progress.js'
import { TABLES } from './tables.js'
import { seedUsers } from './users.js'

const BATCH = 500
/** Any number, the same in every shop: whoever holds it may make the tables. */
const LOCK = 5_246_373

/**
 * Makes the tables and fills them, unless that has been done. Run it in a transaction: several shops may start at once on one
 * database, the first one does it, the others wait, and none ever sees half a catalogue.
 *
 * @returns the identity of the data
 */
export async function seed(transaction: Queryable, onProgress: Progress): Promise<string> {
  await transaction.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
  for (const statement of TABLES.split(';').filter((text) => text.trim() !== '')) await transaction.query(statement)
  await seedUsers(transaction)
  const known = await findIdentity(transaction)
  if (known !== undefined) return known
  await fill(transaction, await makeFakeData(), onProgress)
  await transaction.query('INSERT INTO shop.seed DEFAULT VALUES')
  return (await findIdentity(transaction)) as string // just inserted
}

async function findIdentity(transaction: Queryable): Promise<string | undefined> {
  const { rows } = await transaction.query<{ identity: string }>('SELECT identity FROM shop.seed LIMIT 1')
  return rows[0]?.identity
}

async function fill(transaction: Queryable, data: FakeData, onProgress: Progress): Promise<void> {
  await insert(
    transaction,
    `
    INSERT INTO shop.categories (id, name)
    SELECT id, name FROM jsonb_to_recordset($1::jsonb) AS row (id integer, name text)`,
    data.categories,
  )
  const step = `Loading ${AMOUNTS.products.toLocaleString('en')} products`
  for (let done = 0; done < data.products.length; done += BATCH) {
    onProgress(step, done, data.products.length)
    await insert(
      transaction,
      `
      INSERT INTO shop.products (category_id, name, description, price, stock, created_at, updated_at)
      SELECT "categoryId", name, description, price, stock, "createdAt", "createdAt" FROM jsonb_to_recordset($1::jsonb) AS row
        ("categoryId" integer, name text, description text, price numeric, stock integer, "createdAt" timestamptz)`,
      data.products.slice(done, done + BATCH),
    )
  }
  onProgress(step, data.products.length, data.products.length)
  await fillOrders(transaction, data)
  // Without statistics the first queries of a new database choose poor plans.
  for (const table of ['products', 'orders', 'order_items']) await transaction.query(`ANALYZE shop.${table}`)
}

async function fillOrders(transaction: Queryable, data: FakeData): Promise<void> {
  const orders = data.orders.map(({ userId, createdAt }, index) => ({ id: index + 1, userId, createdAt }))
  const items = data.orders.flatMap((order, index) => order.items.map((item) => ({ orderId: index + 1, ...item })))
  await insert(
    transaction,
    `
    INSERT INTO shop.orders (id, user_id, created_at)
    SELECT id, "userId", "createdAt" FROM jsonb_to_recordset($1::jsonb) AS row
      (id integer, "userId" text, "createdAt" timestamptz)`,
    orders,
  )
  await transaction.query(`SELECT setval(pg_get_serial_sequence('shop.orders', 'id'), $1::bigint)`, [orders.length])
  await insert(
    transaction,
    `
    INSERT INTO shop.order_items (order_id, product_id, quantity, unit_price)
    SELECT "orderId", "productId", quantity, price FROM jsonb_to_recordset($1::jsonb) AS row
      ("orderId" integer, "productId" integer, quantity integer)
      JOIN shop.products ON products.id = "productId"`,
    items,
  )
}

/** One parameter, however many rows: `sql` unpacks them from JSON. */
async function insert(transaction: Queryable, sql: string, rows: object[]): Promise<void> {
  await transaction.query(sql, [JSON.stringify(rows)])
}
