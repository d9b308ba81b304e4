import { useState } from 'preact/hooks'
import { price } from '../shared/format.js'
import { ask } from '../shared/http.js'
import { asking, cart, explain, put, refreshCart, tell, user } from './account.js'
import { href } from './route.js'
import type { Order } from './types.js'

/** What one is about to buy. */
export function CartView() {
  const [order, setOrder] = useState<Order | undefined>(undefined)
  const { items, total } = cart.value
  return (
    <section class="cart" aria-labelledby="title">
      <header class="view-head">
        <h1 id="title">Your cart</h1>
      </header>
      {order && (
        <p class="thanks" role="status">
          <strong>Order {order.id}</strong> is yours: {price(order.total)}, sold once and kept in{' '}
          <a href={href({ view: 'account' })}>your orders</a>.
        </p>
      )}
      {user.value === undefined && (
        <p class="empty">
          A cart belongs to somebody.{' '}
          <button type="button" onClick={() => (asking.value = {})}>
            Log in
          </button>
        </p>
      )}
      {user.value !== undefined && items.length === 0 && (
        <p class="empty">
          Nothing in it. <a href="/">Look around</a>
        </p>
      )}
      {items.length > 0 && (
        <>
          <table>
            <thead>
              <tr>
                <th scope="col">Product</th>
                <th scope="col">Each</th>
                <th scope="col">How many</th>
                <th scope="col">Together</th>
              </tr>
            </thead>
            <tbody>
              {items.map((item) => (
                <tr key={item.productId}>
                  <th scope="row">
                    <a href={href({ view: 'product', id: item.productId })}>{item.name}</a>
                  </th>
                  <td>{price(item.price)}</td>
                  <td>
                    <input
                      type="number"
                      min="0"
                      max="1000"
                      value={item.quantity}
                      aria-label={`How many of ${item.name}`}
                      onChange={(event) => put(item.productId, event.currentTarget.valueAsNumber || 0, item.name)}
                    />
                  </td>
                  <td>{price(item.subtotal)}</td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row" colSpan={3}>
                  Total
                </th>
                <td>{price(total)}</td>
              </tr>
            </tfoot>
          </table>
          <OrderButton onOrder={setOrder} />
        </>
      )}
    </section>
  )
}

/** Sends the order; sends the same one again, under the same key, when it is pressed again after a failure. */
function OrderButton({ onOrder }: { onOrder: (order: Order) => void }) {
  const [sending, setSending] = useState(false)
  const [key, setKey] = useState({ of: '', value: '' })
  const wanted = cart.value.items.map(({ productId, quantity }) => ({ productId, quantity }))
  const send = async () => {
    const of = JSON.stringify(wanted)
    const value = key.of === of ? key.value : crypto.randomUUID()
    setKey({ of, value })
    setSending(true)
    try {
      const { value: order } = await ask<Order>('POST', '/orders', {
        body: { items: wanted },
        headers: { 'idempotency-key': value },
      })
      onOrder(order)
      tell(`Order ${order.id} is yours`)
      setKey({ of: '', value: '' })
      for (const { productId } of wanted) await ask('PUT', `/cart/${productId}`, { body: { quantity: 0 } })
      await refreshCart()
    } catch (error) {
      explain(error)
    } finally {
      setSending(false)
    }
  }
  return (
    <button type="button" class="main" disabled={sending} onClick={send}>
      {sending ? 'Ordering…' : 'Order'}
    </button>
  )
}
