import { useEffect, useState } from 'preact/hooks'
import { ago, price } from '../shared/format.js'
import { learnNames, nameOf } from './product-names.js'
import { href } from './route.js'

type Sold = { id: number; total: number; createdAt: string; items: { productId: number | null; quantity: number }[] }

const SHOWN = 6

/** Orders as they are sold. A browser that was away says which one it had last, and is told what it missed. */
export function LiveOrders() {
  const [orders, setOrders] = useState<readonly Sold[]>([])
  useEffect(() => {
    const source = new EventSource('/events/orders')
    source.addEventListener('order', ({ data }) => {
      const order: Sold = JSON.parse(data)
      learnNames(order.items.flatMap(({ productId }) => productId ?? []).slice(0, 1))
      // One may come twice.
      setOrders((before) => [order, ...before.filter(({ id }) => id !== order.id)].slice(0, SHOWN))
    })
    return () => source.close()
  }, [])
  return (
    <section class="live" aria-labelledby="live-title">
      <h2 id="live-title">Just sold</h2>
      {orders.length === 0 && <p class="hint">Orders appear here as they are made.</p>}
      <ol>
        {orders.map(({ id, total, items, createdAt }) => (
          <li key={id}>
            <First items={items} />
            <span class="figure">{price(total)}</span>
            <span class="hint">{ago(createdAt)}</span>
          </li>
        ))}
      </ol>
    </section>
  )
}

function First({ items }: Pick<Sold, 'items'>) {
  const id = items[0]?.productId
  const more = items.length > 1 ? ` and ${items.length - 1} more` : ''
  if (id === null || id === undefined) return <span>Something that is gone{more}</span>
  return (
    <span>
      <a href={href({ view: 'product', id })}>{nameOf(id)}</a>
      {more}
    </span>
  )
}
