import type { Cache, Entry, Key } from '@larder/cache-aside'
import type { Tags } from '@larder/tags'
import type { Database } from './database.js'
import { ProductNotFoundError } from './errors.js'
import type { Category, Product, ProductChange, ProductDraft, ProductPage, ProductQuery } from './product.js'
import {
  deleteProduct,
  insertProduct,
  nextId,
  selectCategories,
  selectCategoryIds,
  selectPage,
  selectProducts,
  updateProduct,
} from './product-table.js'

/** On everything that shows products: an import invalidates this one tag. */
const PRODUCTS = 'products'
/** On lists that are not of one category: any change may be in them. */
const ALL_CATEGORIES = 'category:all'

const PRODUCT = { ttl: '10m', staleWhileRevalidate: '1m', tags: [PRODUCTS] }

/**
 * The products, cached. A change of one is written through to its own entry, and invalidates the lists that may show it: those
 * of its category, before and after, and those of all categories. Lists of other categories stay.
 */
export class Catalogue {
  readonly #database: Database
  readonly #cache: Cache
  readonly #tags: Tags
  /** While true every read goes to the database, to see what the cache saves. Changes reach the caches all the same. */
  cacheOff = false

  constructor(database: Database, cache: Cache, tags: Tags) {
    this.#database = database
    this.#cache = cache
    this.#tags = tags
  }

  /** One page of a list, from the database: whole answers are cached. */
  page(query: ProductQuery): Promise<ProductPage> {
    const asked = query.q === undefined ? query : { ...query, q: query.q.trim().toLowerCase() }
    return selectPage(this.#database, asked)
  }

  /** The product, `null` where there is none: that answer is cached too, until a product of that id is made. */
  product(id: number): Promise<Entry<Product | null>> {
    const load = async () => (await selectProducts(this.#database, [id]))[0] ?? null
    return this.cacheOff ? uncached(load) : this.#cache.entry(productKey(id), load, PRODUCT)
  }

  /** The products of these ids, in their order; those not cached come from the database by one query. */
  products(ids: readonly number[]): Promise<(Product | null)[]> {
    const load = async (missing: Key[]) => {
      const wanted = missing.map((key) => Number(key[1])) // as productKey made it
      const found = new Map((await selectProducts(this.#database, wanted)).map((product) => [product.id, product]))
      return wanted.map((id) => found.get(id) ?? null)
    }
    return this.#cache.getMany(ids.map(productKey), load, PRODUCT)
  }

  /** All categories, from the database: whole answers are cached. */
  categories(): Promise<Category[]> {
    return selectCategories(this.#database)
  }

  /** @throws BadFieldError for an unknown category */
  async create(draft: ProductDraft): Promise<Product> {
    // The id comes first, so that the write-through is under way before anybody can read or change the new row.
    const id = await nextId(this.#database)
    const write = () => insertProduct(this.#database, id, draft)
    const product = await this.#cache.writeThrough(productKey(id), write, PRODUCT)
    await this.#tags.invalidate(ALL_CATEGORIES, categoryTag(product.categoryId))
    return product
  }

  /** @throws ProductNotFoundError; BadFieldError for an unknown category */
  async update(id: number, change: ProductChange): Promise<Product> {
    let formerCategoryId = 0
    const write = async () => {
      const updated = await updateProduct(this.#database, id, change)
      if (updated === undefined) throw new ProductNotFoundError(id)
      formerCategoryId = updated.formerCategoryId
      return updated.product
    }
    const product = await this.#cache.writeThrough(productKey(id), write, PRODUCT)
    const categories = new Set([formerCategoryId, product.categoryId])
    await this.#tags.invalidate(ALL_CATEGORIES, ...[...categories].map(categoryTag))
    return product
  }

  /** @throws ProductNotFoundError */
  async remove(id: number): Promise<void> {
    let categoryId = 0
    const write = async () => {
      const deleted = await deleteProduct(this.#database, id)
      if (deleted === undefined) throw new ProductNotFoundError(id)
      categoryId = deleted
      return null
    }
    await this.#cache.writeThrough(productKey(id), write, PRODUCT)
    await this.#tags.invalidate(ALL_CATEGORIES, categoryTag(categoryId))
  }

  /** After a sale: their pages and the lists that may show their stock. */
  async renewStock(ids: readonly number[]): Promise<void> {
    const categories = await selectCategoryIds(this.#database, ids)
    await Promise.all([
      this.#cache.delete(...ids.map(productKey)),
      this.#tags.invalidate(ALL_CATEGORIES, ...categories.map(categoryTag)),
    ])
  }

  /** After a bulk change: one invalidation, whatever its size. */
  async renew(): Promise<void> {
    await this.#tags.invalidate(PRODUCTS)
  }
}

/** What a list is tagged with. */
export function listTags(category?: number): string[] {
  return [PRODUCTS, category === undefined ? ALL_CATEGORIES : categoryTag(category)]
}

async function uncached<T>(load: () => Promise<T>): Promise<Entry<T>> {
  return { value: await load(), state: 'bypass', age: 0, ttl: 0, tags: [], createdAt: Date.now() }
}

function productKey(id: number): Key {
  return ['product', id]
}

function categoryTag(id: number): string {
  return `category:${id}`
}
