import { type Static, Type } from 'typebox'

/** Text that PostgreSQL can store: it has no NUL. */
const NO_NUL = '^[^\\u0000]*$'
const MAX_PRICE = 99_999_999.99

/** Ids are PostgreSQL integers. */
export const Id = Type.Integer({ minimum: 1, maximum: 2_147_483_647 })

const fields = {
  categoryId: Id,
  name: Type.String({ minLength: 1, maxLength: 200, pattern: NO_NUL }),
  description: Type.String({ maxLength: 2_000, pattern: NO_NUL }),
  price: Type.Number({ minimum: 0, maximum: MAX_PRICE, multipleOf: 0.01, description: 'At most two decimals' }),
  stock: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
}

/** A product as the API shows it. */
export const Product = Type.Object({
  id: Id,
  ...fields,
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
})
export type Product = Static<typeof Product>

/** What a new product is made of. */
export const ProductDraft = Type.Object(
  {
    categoryId: fields.categoryId,
    name: fields.name,
    description: Type.Optional(fields.description),
    price: fields.price,
    stock: Type.Optional(fields.stock),
  },
  { additionalProperties: false },
)
export type ProductDraft = Static<typeof ProductDraft>

/** What changes of a product; fields left out stay as they are. */
export const ProductChange = Type.Partial(Type.Object(fields), { additionalProperties: false, minProperties: 1 })
export type ProductChange = Static<typeof ProductChange>

export const SORTS = ['id', 'name', '-name', 'price', '-price', 'createdAt', '-createdAt'] as const
export type Sort = (typeof SORTS)[number]

/** Which products, in which order, which page of them. */
export const ProductQuery = Type.Object(
  {
    category: Type.Optional(Id),
    q: Type.Optional(Type.String({ maxLength: 100, pattern: NO_NUL, description: 'Part of name or description' })),
    minPrice: Type.Optional(Type.Number({ minimum: 0, maximum: MAX_PRICE })),
    maxPrice: Type.Optional(Type.Number({ minimum: 0, maximum: MAX_PRICE })),
    sort: Type.Optional(
      Type.Unsafe<Sort>(
        Type.String({ enum: [...SORTS], default: 'id', description: 'A minus in front turns the order round' }),
      ),
    ),
    page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 })),
    pageSize: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 20 })),
  },
  { additionalProperties: false },
)
type Defaulted = 'sort' | 'page' | 'pageSize'
/** A checked query: its defaults are filled in. */
export type ProductQuery = Static<typeof ProductQuery> & Required<Pick<Static<typeof ProductQuery>, Defaulted>>

/** One page of a list of products. */
export const ProductPage = Type.Object({
  items: Type.Array(Product),
  page: Type.Integer(),
  pageSize: Type.Integer(),
  total: Type.Integer({ description: 'Products on all pages' }),
  pages: Type.Integer(),
})
export type ProductPage = Static<typeof ProductPage>

/** A category and how many products it has. */
export const Category = Type.Object({ id: Id, name: Type.String(), products: Type.Integer() })
export type Category = Static<typeof Category>
