import { useEffect } from 'preact/hooks'
import { ago, price } from '../shared/format.js'
import { ask } from '../shared/http.js'
import { asking, explain, forget, logOut, tell, user } from './account.js'
import { useLoaded } from './loaded.js'
import { href } from './route.js'
import type { Device, Order, Product } from './types.js'

/** Who one is here: devices, orders, what one looked at. */
export function AccountView() {
  if (user.value === undefined)
    return (
      <section aria-labelledby="title">
        <header class="view-head">
          <h1 id="title">Your account</h1>
        </header>
        <p class="empty">
          You are not logged in.{' '}
          <button type="button" onClick={() => (asking.value = {})}>
            Log in
          </button>
        </p>
      </section>
    )
  return (
    <section class="account" aria-labelledby="title">
      <header class="view-head">
        <h1 id="title">{user.value}</h1>
        <button type="button" onClick={() => logOut().catch(explain)}>
          Log out
        </button>
      </header>
      <Devices />
      <Orders />
      <Seen />
    </section>
  )
}

function Devices() {
  const { answer, error, again } = useLoaded<{ items: Device[] }>('/sessions')
  useEffect(() => error && explain(error), [error])
  const end = async (path: string, said: string) => {
    try {
      await ask('DELETE', path)
      tell(said)
      if (path.includes('current')) forget()
      else again()
    } catch (thrown) {
      explain(thrown)
    }
  }
  const devices = answer?.value.items ?? []
  return (
    <section aria-labelledby="devices">
      <h2 id="devices">Devices</h2>
      <p>Wherever you are logged in. Ending a session holds at once, on every device.</p>
      <ul class="devices">
        {devices.map((device) => (
          <li key={device.id}>
            <span class="device-name">{nameOf(device)}</span>
            <span class="device-seen">
              {device.current ? 'this one' : `seen ${ago(device.lastSeenAt)}`} · since {ago(device.createdAt)}
            </span>
            {!device.current && (
              <button
                type="button"
                onClick={() => end(`/sessions/${encodeURIComponent(device.id)}`, 'It is logged out')}
              >
                Log it out
              </button>
            )}
          </li>
        ))}
      </ul>
      <p class="row">
        <button
          type="button"
          disabled={devices.length < 2}
          onClick={() => end('/sessions', 'All others are logged out')}
        >
          Log out all others
        </button>
        <button type="button" onClick={() => end('/sessions?current=true', 'You are logged out everywhere')}>
          Log out everywhere
        </button>
      </p>
    </section>
  )
}

function nameOf({ userAgent, ip }: Device): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\/?/.exec(userAgent ?? '')?.[1] ?? userAgent?.split(/[/ ]/)[0]
  const system = /(Windows|Android|iPhone|iPad|Mac OS|Linux)/.exec(userAgent ?? '')?.[1]
  return [browser, system && `on ${system}`, ip && `at ${ip}`].filter(Boolean).join(' ') || 'A device'
}

function Orders() {
  const { answer } = useLoaded<{ items: Order[] }>('/orders')
  const orders = answer?.value.items ?? []
  return (
    <section aria-labelledby="orders">
      <h2 id="orders">Orders</h2>
      {answer && orders.length === 0 && <p>None yet.</p>}
      <ol class="orders">
        {orders.slice(0, 10).map((order) => (
          <li key={order.id}>
            <span class="figure">{order.id}</span>
            <span>
              {order.items.reduce((sum, { quantity }) => sum + quantity, 0)} things · {ago(order.createdAt)}
            </span>
            <span class="figure">{price(order.total)}</span>
          </li>
        ))}
      </ol>
    </section>
  )
}

function Seen() {
  const { answer } = useLoaded<{ items: Product[] }>('/recently-viewed')
  const products = answer?.value.items ?? []
  if (products.length === 0) return null
  return (
    <section aria-labelledby="seen">
      <h2 id="seen">Looked at lately</h2>
      <ul class="seen">
        {products.slice(0, 8).map(({ id, name }) => (
          <li key={id}>
            <a href={href({ view: 'product', id })}>{name}</a>
          </li>
        ))}
      </ul>
    </section>
  )
}
