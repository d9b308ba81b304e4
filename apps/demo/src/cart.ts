import type { Cache } from '@larder/cache-aside'
import { type Static, Type } from 'typebox'
import type { Catalogue } from './catalogue.js'
import type { Database, Queryable } from './database.js'
import { ProductNotFoundError } from './errors.js'
import { Id } from './product.js'

/** What one user is about to buy, at today's prices. */
export const Cart = Type.Object({
  items: Type.Array(
    Type.Object({
      productId: Id,
      name: Type.String(),
      price: Type.Number(),
      quantity: Type.Integer(),
      subtotal: Type.Number(),
    }),
  ),
  total: Type.Number(),
})
export type Cart = Static<typeof Cart>

/** How many of it; 0 takes the product out of the cart. */
export const CartChange = Type.Object(
  { quantity: Type.Integer({ minimum: 0, maximum: 1_000 }) },
  { additionalProperties: false },
)

type Line = { productId: number; quantity: number }

const CACHED = { ttl: '30m' }

/**
 * The carts, kept in the database and cached a user. What is cached are ids and quantities: names and prices come from the
 * catalogue's own entries, so a new price is in every cart at once.
 */
export class Carts {
  readonly #database: Database
  readonly #cache: Cache
  readonly #catalogue: Catalogue

  constructor(database: Database, cache: Cache, catalogue: Catalogue) {
    this.#database = database
    this.#cache = cache
    this.#catalogue = catalogue
  }

  /** The user's cart; empty for a user whom nobody knows. */
  async of(user: string): Promise<Cart> {
    const lines = await this.#cache.getOrSet(['cart', user], () => selectLines(this.#database, user), CACHED)
    return this.#price(lines)
  }

  /** @throws ProductNotFoundError */
  async put(user: string, productId: number, quantity: number): Promise<Cart> {
    const write = () =>
      this.#database.transaction(async (transaction) => {
        await changeLine(transaction, user, productId, quantity)
        return selectLines(transaction, user)
      })
    return this.#price(await this.#cache.writeThrough(['cart', user], write, CACHED))
  }

  async #price(lines: readonly Line[]): Promise<Cart> {
    const products = await this.#catalogue.products(lines.map(({ productId }) => productId))
    let cents = 0
    const items = lines.flatMap(({ productId, quantity }, index) => {
      const product = products[index]
      if (!product) return [] // deleted since
      const subtotal = Math.round(product.price * 100) * quantity
      cents += subtotal
      return [{ productId, name: product.name, price: product.price, quantity, subtotal: subtotal / 100 }]
    })
    return { items, total: cents / 100 }
  }
}

async function selectLines(database: Queryable, user: string): Promise<Line[]> {
  const { rows } = await database.query<Line>(
    `SELECT product_id AS "productId", quantity FROM shop.cart_items WHERE user_id = $1 ORDER BY added_at, product_id`,
    [user],
  )
  return rows
}

async function changeLine(database: Queryable, user: string, productId: number, quantity: number): Promise<void> {
  const known = await database.query('SELECT 1 FROM shop.products WHERE id = $1 FOR SHARE', [productId])
  if (known.rows.length === 0) throw new ProductNotFoundError(productId)
  if (quantity === 0) {
    await database.query('DELETE FROM shop.cart_items WHERE user_id = $1 AND product_id = $2', [user, productId])
    return
  }
  await database.query(
    `INSERT INTO shop.cart_items (user_id, product_id, quantity) VALUES ($1, $2, $3)
     ON CONFLICT (user_id, product_id) DO UPDATE SET quantity = excluded.quantity`,
    [user, productId, quantity],
  )
}
