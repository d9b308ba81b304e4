import type { Queryable } from './database.js'
import { BadFieldError } from './errors.js'
import type { Category, Product, ProductChange, ProductDraft, ProductPage, ProductQuery, Sort } from './product.js'

const COLUMNS = `id, category_id AS "categoryId", name, description, price::float8 AS price, stock,
  created_at AS "createdAt", updated_at AS "updatedAt"`

const ORDER: Record<Sort, string> = {
  id: 'id',
  name: 'name, id',
  '-name': 'name DESC, id DESC',
  price: 'price, id',
  '-price': 'price DESC, id DESC',
  createdAt: 'created_at, id',
  '-createdAt': 'created_at DESC, id DESC',
}

const FOREIGN_KEY_VIOLATION = '23503'

type Row = Omit<Product, 'createdAt' | 'updatedAt'> & { createdAt: Date; updatedAt: Date }

/** A line of an import: a change of the product of that id, or without one a new product. */
export type ImportRow = Partial<ProductDraft> & { id?: number }

/** One page of the products that match. Both queries see the same filters, not the same instant: a total is a hint. */
export async function selectPage(database: Queryable, query: ProductQuery): Promise<ProductPage> {
  const { where, parameters } = filter(query)
  const limit = [...parameters, query.pageSize, (query.page - 1) * query.pageSize]
  const [counted, found] = await Promise.all([
    database.query<{ total: number }>(`SELECT count(*)::int AS total FROM shop.products ${where}`, parameters),
    database.query<Row>(
      `SELECT ${COLUMNS} FROM shop.products ${where} ORDER BY ${ORDER[query.sort]} LIMIT $${limit.length - 1} OFFSET $${limit.length}`,
      limit,
    ),
  ])
  const total = counted.rows[0]?.total ?? 0
  const { page, pageSize } = query
  return { items: found.rows.map(toProduct), page, pageSize, total, pages: Math.ceil(total / pageSize) }
}

/** The products of these ids, in no order; unknown ids are left out. */
export async function selectProducts(database: Queryable, ids: readonly number[]): Promise<Product[]> {
  const { rows } = await database.query<Row>(`SELECT ${COLUMNS} FROM shop.products WHERE id = ANY($1::int[])`, [ids])
  return rows.map(toProduct)
}

/** All categories with the number of their products. */
export async function selectCategories(database: Queryable): Promise<Category[]> {
  const { rows } = await database.query<Category>(`
    SELECT categories.id, categories.name, count(products.id)::int AS products
    FROM shop.categories LEFT JOIN shop.products ON products.category_id = categories.id
    GROUP BY categories.id ORDER BY categories.name`)
  return rows
}

/** The categories that these products are in, each once. */
export async function selectCategoryIds(database: Queryable, ids: readonly number[]): Promise<number[]> {
  const { rows } = await database.query<{ id: number }>(
    'SELECT DISTINCT category_id AS id FROM shop.products WHERE id = ANY($1::int[])',
    [ids],
  )
  return rows.map(({ id }) => id)
}

/** An id that no product has or will be given. */
export async function nextId(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ id: number }>(
    `SELECT nextval(pg_get_serial_sequence('shop.products', 'id'))::int AS id`,
  )
  return rows[0]!.id // nextval always answers
}

/** @throws BadFieldError for an unknown category */
export async function insertProduct(database: Queryable, id: number, draft: ProductDraft): Promise<Product> {
  const { rows } = await refusingUnknownCategories(
    database.query<Row>(
      `INSERT INTO shop.products (id, category_id, name, description, price, stock)
       VALUES ($1, $2, $3, $4, $5, $6) RETURNING ${COLUMNS}`,
      [id, draft.categoryId, draft.name, draft.description ?? '', draft.price, draft.stock ?? 0],
    ),
  )
  return toProduct(rows[0]!) // RETURNING answers for the inserted row
}

/**
 * The changed product and the category it was in before; `undefined` where there is none of that id.
 *
 * @throws BadFieldError for an unknown category
 */
export async function updateProduct(
  database: Queryable,
  id: number,
  change: ProductChange,
): Promise<{ product: Product; formerCategoryId: number } | undefined> {
  const { rows } = await refusingUnknownCategories(
    database.query<Row & { formerCategoryId: number }>(
      `WITH former AS (SELECT id AS former_id, category_id AS "formerCategoryId" FROM shop.products WHERE id = $1 FOR UPDATE)
       UPDATE shop.products SET
         category_id = coalesce($2::int, category_id), name = coalesce($3::text, name),
         description = coalesce($4::text, description), price = coalesce($5::numeric, price),
         stock = coalesce($6::int, stock), updated_at = now()
       FROM former WHERE id = former_id RETURNING ${COLUMNS}, "formerCategoryId"`,
      [id, change.categoryId, change.name, change.description, change.price, change.stock],
    ),
  )
  const row = rows[0]
  if (row === undefined) return undefined
  const { formerCategoryId, ...product } = row
  return { product: toProduct(product), formerCategoryId }
}

/** The category that the deleted product was in; `undefined` where there was none of that id. */
export async function deleteProduct(database: Queryable, id: number): Promise<number | undefined> {
  const { rows } = await database.query<{ categoryId: number }>(
    'DELETE FROM shop.products WHERE id = $1 RETURNING category_id AS "categoryId"',
    [id],
  )
  return rows[0]?.categoryId
}

/** Adds and changes many products by two statements; returns the ids that were changed. */
export async function upsertProducts(database: Queryable, rows: readonly ImportRow[]): Promise<number[]> {
  const unpacked = `jsonb_to_recordset($1::jsonb) AS row
    (id integer, "categoryId" integer, name text, description text, price numeric, stock integer)`
  const json = [JSON.stringify(rows)]
  // In the order of orders, which lock several rows too: so none waits for another that waits for it.
  await database.query(
    `SELECT 1 FROM shop.products WHERE id IN (SELECT id FROM ${unpacked}) ORDER BY id FOR UPDATE`,
    json,
  )
  const changed = await database.query<{ id: number }>(
    `UPDATE shop.products SET
       category_id = coalesce(row."categoryId", category_id), name = coalesce(row.name, products.name),
       description = coalesce(row.description, products.description), price = coalesce(row.price, products.price),
       stock = coalesce(row.stock, products.stock), updated_at = now()
     FROM ${unpacked} WHERE products.id = row.id RETURNING products.id`,
    json,
  )
  await database.query(
    `INSERT INTO shop.products (category_id, name, description, price, stock)
     SELECT "categoryId", name, coalesce(description, ''), price, coalesce(stock, 0) FROM ${unpacked} WHERE id IS NULL`,
    json,
  )
  return changed.rows.map(({ id }) => id)
}

function filter({ category, q, minPrice, maxPrice }: ProductQuery): { where: string; parameters: unknown[] } {
  const parameters: unknown[] = []
  const parameter = (value: unknown) => `$${parameters.push(value)}`
  const conditions: string[] = []
  if (category !== undefined) conditions.push(`category_id = ${parameter(category)}`)
  if (minPrice !== undefined) conditions.push(`price >= ${parameter(minPrice)}::numeric`)
  if (maxPrice !== undefined) conditions.push(`price <= ${parameter(maxPrice)}::numeric`)
  if (q !== undefined && q !== '') {
    const pattern = parameter(`%${q.replace(/[\\%_]/g, '\\$&')}%`)
    conditions.push(`(name ILIKE ${pattern} OR description ILIKE ${pattern})`)
  }
  return { where: conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '', parameters }
}

function toProduct(row: Row): Product {
  return { ...row, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() }
}

async function refusingUnknownCategories<T>(write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === FOREIGN_KEY_VIOLATION)
      throw new BadFieldError('body/categoryId', 'must be the id of a category, see GET /categories')
    throw error
  }
}
