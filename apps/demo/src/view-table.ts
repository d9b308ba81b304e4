import type { Queryable } from './database.js'

/** Views by product, under an id that no other views have. */
export type ViewBatch = { id: string; entries: ReadonlyMap<string, number> }

/**
 * Adds views to their products, once for each batch: its id is recorded by the same statement, so by the same transaction. Whoever
 * comes with a batch that is recorded adds nothing; whoever comes while another is at it waits for the other's end. Views of products
 * that are gone are dropped.
 */
export async function addViews(database: Queryable, { id, entries }: ViewBatch): Promise<void> {
  await database.query(
    `WITH fresh AS (INSERT INTO shop.view_batches (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id)
     INSERT INTO shop.product_views (product_id, views)
     SELECT products.id, added.views
     FROM unnest($2::int[], $3::bigint[]) AS added (product_id, views)
     JOIN shop.products ON products.id = added.product_id
     WHERE EXISTS (SELECT FROM fresh)
     ON CONFLICT (product_id) DO UPDATE SET views = product_views.views + excluded.views`,
    [id, [...entries.keys()], [...entries.values()]],
  )
}

/** The views of a product that were added. */
export async function selectViews(database: Queryable, productId: number): Promise<number> {
  const { rows } = await database.query<{ views: number }>(
    'SELECT views::float8 AS views FROM shop.product_views WHERE product_id = $1',
    [productId],
  )
  return rows[0]?.views ?? 0
}
