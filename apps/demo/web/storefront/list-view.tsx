import { Badge } from '../shared/badge.js'
import { count, price } from '../shared/format.js'
import { inCart, put } from './account.js'
import { Jar } from './jar.js'
import { useLoaded } from './loaded.js'
import { Pages } from './pages.js'
import { go, href, type ListRoute } from './route.js'
import { Trouble } from './trouble.js'
import type { Category, Product, ProductPage } from './types.js'

const PAGE_SIZE = 24
const SORTS = [
  ['id', 'as they came'],
  ['name', 'by name'],
  ['price', 'cheapest first'],
  ['-price', 'dearest first'],
  ['-createdAt', 'newest first'],
] as const

/** A page of products, on their shelves. */
export function ListView({ route, categories }: { route: ListRoute; categories: Category[] }) {
  const { answer, loading, error, again } = useLoaded<ProductPage>(pathOf(route))
  const category = categories.find(({ id }) => id === route.category)
  const title = route.q ? `“${route.q}”` : (category?.name ?? (route.category ? 'This category' : 'Everything'))
  const page = answer?.value
  return (
    <section aria-labelledby="title" aria-busy={loading}>
      <header class="view-head">
        <h1 id="title">{title}</h1>
        <p class="view-count" role="status">
          {page ? `${count(page.total)} ${page.total === 1 ? 'product' : 'products'}` : ''}
        </p>
        <label class="sort">
          <span class="for-readers">Order</span>
          <select
            value={route.sort ?? 'id'}
            onChange={(event) => go({ ...route, page: 1, sort: event.currentTarget.value })}
          >
            {SORTS.map(([value, name]) => (
              <option value={value} key={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {answer && <Badge receipt={answer.receipt} />}
      </header>
      {error && <Trouble error={error} again={again} />}
      {page && page.items.length === 0 && (
        <p class="empty">
          Nothing on the shelf matches. <a href="/">See everything</a>
        </p>
      )}
      {page && (
        <ul class="shelves">
          {page.items.map((product) => (
            <Item product={product} key={product.id} />
          ))}
        </ul>
      )}
      {page && <Pages route={route} pages={page.pages} />}
    </section>
  )
}

function Item({ product }: { product: Product }) {
  const held = inCart(product.id)
  const { id, name, stock } = product
  return (
    <li class="item">
      <a href={href({ view: 'product', id })}>
        <Jar product={product} />
        <span class="item-name">{name}</span>
      </a>
      <div class="ticket">
        <span class="ticket-price">{price(product.price)}</span>
        <span class="ticket-stock">{stock === 0 ? 'sold out' : `${stock} left`}</span>
        <button
          type="button"
          class="add"
          disabled={stock === 0}
          aria-label={`Put ${name} into the cart`}
          onClick={() => put(id, held + 1, name)}
        >
          {held > 0 ? held : '+'}
        </button>
      </div>
    </li>
  )
}

function pathOf({ category, q, sort, page }: ListRoute): string {
  const query = new URLSearchParams({ pageSize: String(PAGE_SIZE) })
  if (category) query.set('category', String(category))
  if (q) query.set('q', q)
  if (sort) query.set('sort', sort)
  if (page > 1) query.set('page', String(page))
  return `/products?${query}`
}
