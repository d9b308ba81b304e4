import { useEffect, useState } from 'preact/hooks'
import { Badge } from '../shared/badge.js'
import { ago, count, price } from '../shared/format.js'
import { ask, get } from '../shared/http.js'
import { inCart, put } from './account.js'
import { Jar } from './jar.js'
import { useLoaded } from './loaded.js'
import { href } from './route.js'
import { Trouble } from './trouble.js'
import type { Category, Product } from './types.js'

/** A product's own page. */
export function ProductView({ id, categories }: { id: number; categories: Category[] }) {
  const { answer, error, loading, again } = useLoaded<Product>(`/products/${id}`)
  const visitors = useLoaded<{ visitors: number }>(answer && `/products/${id}/visitors`)
  if (error) return <Trouble error={error} again={again} />
  if (!answer || answer.value.id !== id) return <section aria-busy={loading} />
  const product = answer.value
  const category = categories.find((each) => each.id === product.categoryId)
  return (
    <article class="product" aria-labelledby="title">
      <header class="view-head">
        <a href={href({ view: 'list', page: 1, category: product.categoryId })} class="up">
          ← {category?.name ?? 'Its category'}
        </a>
        <Badge receipt={answer.receipt} />
      </header>
      <div class="product-jar">
        <Jar product={product} />
      </div>
      <div class="product-text">
        <h1 id="title">{product.name}</h1>
        <p class="product-price">{price(product.price)}</p>
        <p>{product.description}</p>
        <Buy product={product} key={id} />
        <dl class="facts">
          <Fact name="in stock" value={count(product.stock)} />
          <Fact name="different visitors" value={visitors.answer ? count(visitors.answer.value.visitors) : '…'} />
          <Views id={id} key={id} />
          <Fact name="changed" value={ago(product.updatedAt)} />
        </dl>
      </div>
    </article>
  )
}

/** Counts this look, and tells of all: also of those that are on their way to the database. */
function Views({ id }: { id: number }) {
  const [views, setViews] = useState('…')
  useEffect(() => {
    const look = async () => {
      await ask('POST', `/products/${id}/views`)
      const { total, pending } = (await get<{ total: number; pending: number }>(`/products/${id}/views`)).value
      setViews(`${count(total + pending)}${pending > 0 ? ` (${pending} on their way)` : ''}`)
    }
    look().catch(() => setViews('–'))
  }, [id])
  return <Fact name="times looked at" value={views} />
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

function Buy({ product: { id, name, stock } }: { product: Product }) {
  const [quantity, setQuantity] = useState(1)
  const held = inCart(id)
  const submit = (event: Event) => {
    event.preventDefault()
    void put(id, held + quantity, name)
  }
  return (
    <form class="buy" onSubmit={submit}>
      <label>
        <span>How many</span>
        <input
          type="number"
          min="1"
          max={Math.max(1, Math.min(1_000, stock))}
          value={quantity}
          onInput={(event) => setQuantity(event.currentTarget.valueAsNumber || 1)}
        />
      </label>
      <button type="submit" class="main" disabled={stock === 0}>
        {stock === 0 ? 'Sold out' : 'Put into the cart'}
      </button>
      {held > 0 && (
        <p>
          {held} in <a href={href({ view: 'cart' })}>your cart</a>
        </p>
      )}
    </form>
  )
}
