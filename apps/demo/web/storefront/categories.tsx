import { href, type ListRoute } from './route.js'
import type { Category } from './types.js'

/** The shop's departments, as the labels on a shelf's edge. */
export function Categories({ categories, current }: { categories: Category[]; current: ListRoute | undefined }) {
  const total = categories.reduce((sum, { products }) => sum + products, 0)
  const entry = (id: number | undefined, name: string, products: number) => (
    <li key={id ?? 0}>
      <a
        href={href({ view: 'list', page: 1, ...(id && { category: id }) })}
        aria-current={current && current.category === id && !current.q ? 'page' : undefined}
      >
        <span>{name}</span> <span class="figure">{products}</span>
      </a>
    </li>
  )
  return (
    <nav class="categories" aria-label="Categories">
      <ul>
        {entry(undefined, 'Everything', total)}
        {categories.map(({ id, name, products }) => entry(id, name, products))}
      </ul>
    </nav>
  )
}
