import { type Static, Type } from 'typebox'
import { Id } from './product.js'

const MAX_ITEMS = 20

/** An order as it was paid. */
export const Order = Type.Object({
  id: Id,
  items: Type.Array(
    Type.Object({
      productId: Type.Union([Id, Type.Null()], { description: 'null when the product was removed since' }),
      price: Type.Number({ description: 'When it was sold' }),
      quantity: Type.Integer(),
      subtotal: Type.Number(),
    }),
  ),
  total: Type.Number(),
  createdAt: Type.String({ format: 'date-time' }),
})
export type Order = Static<typeof Order>

/** What somebody wants to buy. A product that is named twice is wanted as often as both say. */
export const OrderDraft = Type.Object(
  {
    items: Type.Array(
      Type.Object(
        { productId: Id, quantity: Type.Integer({ minimum: 1, maximum: 1_000 }) },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: MAX_ITEMS },
    ),
  },
  { additionalProperties: false },
)
export type OrderDraft = Static<typeof OrderDraft>

/** A product and how many of it; in an order each product has one line. */
export type OrderLine = { readonly productId: number; readonly quantity: number }

/** The lines of a draft by product: drafts that mean the same have the same lines. */
export function toLines({ items }: OrderDraft): OrderLine[] {
  const quantities = new Map<number, number>()
  for (const { productId, quantity } of items) quantities.set(productId, (quantities.get(productId) ?? 0) + quantity)
  return [...quantities]
    .map(([productId, quantity]) => ({ productId, quantity }))
    .sort((one, other) => one.productId - other.productId)
}
