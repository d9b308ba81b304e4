import { signal } from '@preact/signals'

/** Which products, as the address says it. */
export type ListRoute = { view: 'list'; category?: number; q?: string; sort?: string; page: number }

/** Where in the shop one is. */
export type Route = ListRoute | { view: 'product'; id: number } | { view: 'cart' } | { view: 'account' }

/** Where one is now; follows the address. */
export const route = signal(readRoute(location.search))

/** Goes there, so that the back button comes back; `replace`: as a correction of where one is. */
export function go(to: Route, { replace = false } = {}): void {
  if (replace) history.replaceState(null, '', href(to))
  else history.pushState(null, '', href(to))
  arrive()
  scrollTo({ top: 0 })
}

/** The address of a place. */
export function href(to: Route): string {
  const query = new URLSearchParams()
  if (to.view === 'product') query.set('product', String(to.id))
  else if (to.view !== 'list') query.set('view', to.view)
  else {
    if (to.q) query.set('q', to.q)
    if (to.category) query.set('category', String(to.category))
    if (to.sort && to.sort !== 'id') query.set('sort', to.sort)
    if (to.page > 1) query.set('page', String(to.page))
  }
  return query.size > 0 ? `/?${query}` : '/'
}

/** Follows links within the shop without loading the page anew. */
export function followLinks(): void {
  addEventListener('popstate', arrive)
  document.addEventListener('click', (event) => {
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!plain || event.defaultPrevented || link === null || link.target !== '') return
    const to = new URL(link.href)
    if (to.origin !== location.origin || to.pathname !== '/' || to.hash !== '') return
    event.preventDefault()
    go(readRoute(to.search))
  })
}

function arrive(): void {
  route.value = readRoute(location.search)
}

function readRoute(search: string): Route {
  const query = new URLSearchParams(search)
  const number = (name: string) => {
    const value = Number(query.get(name))
    return Number.isInteger(value) && value > 0 ? value : undefined
  }
  const id = number('product')
  if (id !== undefined) return { view: 'product', id }
  const view = query.get('view')
  if (view === 'cart' || view === 'account') return { view }
  const category = number('category')
  const q = query.get('q') ?? ''
  const sort = query.get('sort') ?? ''
  return {
    view: 'list',
    page: number('page') ?? 1,
    ...(category && { category }),
    ...(q && { q }),
    ...(sort && { sort }),
  }
}
