import { render } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { price } from '../shared/format.js'
import { get } from '../shared/http.js'
import { Mark } from '../shared/mark.js'
import { ThemeButton } from '../shared/theme.js'
import { asking, cart, recognize, user } from './account.js'
import { AccountView } from './account-view.js'
import { BestSellers } from './best-sellers.js'
import { CartView } from './cart-view.js'
import { Categories } from './categories.js'
import { JarShapes } from './jar.js'
import { ListView } from './list-view.js'
import { LiveOrders } from './live-orders.js'
import { LogIn } from './log-in.js'
import { Notice } from './notice.js'
import { ProductView } from './product-view.js'
import { followLinks, href, type Route, route } from './route.js'
import { Search } from './search.js'
import { Till } from './till.js'
import type { Category } from './types.js'

function Shop() {
  const [categories, setCategories] = useState<Category[]>([])
  useEffect(() => {
    get<{ items: Category[] }>('/categories').then(
      ({ value }) => setCategories(value.items),
      () => {},
    )
  }, [])
  const current = route.value
  return (
    <>
      <a class="skip" href="#main">
        Skip to the products
      </a>
      <header class="top">
        <Mark here="shop" />
        <Search />
        <nav class="top-links" aria-label="You">
          <CartLink />
          {user.value === undefined ? (
            <button type="button" class="quiet" onClick={() => (asking.value = {})}>
              Log in
            </button>
          ) : (
            <a href={href({ view: 'account' })} aria-current={current.view === 'account' ? 'page' : undefined}>
              {user.value.split('@')[0]}
            </a>
          )}
          <ThemeButton />
        </nav>
      </header>
      <div class="shop">
        <Categories categories={categories} current={current.view === 'list' ? current : undefined} />
        <main id="main" tabIndex={-1}>
          <View current={current} categories={categories} />
        </main>
        <aside aria-label="In the shop now">
          <BestSellers />
          <LiveOrders />
          <Till />
        </aside>
      </div>
      <JarShapes />
      <LogIn />
      <Notice />
    </>
  )
}

function View({ current, categories }: { current: Route; categories: Category[] }) {
  switch (current.view) {
    case 'list':
      return <ListView route={current} categories={categories} />
    case 'product':
      return <ProductView id={current.id} categories={categories} />
    case 'cart':
      return <CartView />
    case 'account':
      return <AccountView />
  }
}

function CartLink() {
  const number = cart.value.items.reduce((sum, { quantity }) => sum + quantity, 0)
  return (
    <a href={href({ view: 'cart' })} class="cart-link" aria-current={route.value.view === 'cart' ? 'page' : undefined}>
      Cart
      {number > 0 && (
        <span class="figure">
          {' '}
          {number} · {price(cart.value.total)}
        </span>
      )}
    </a>
  )
}

const page = document.getElementById('page')
if (page) {
  page.replaceChildren()
  render(<Shop />, page)
}
followLinks()
void recognize()
