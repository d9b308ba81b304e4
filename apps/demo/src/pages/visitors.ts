import { setMaxListeners } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Orders } from '../orders.js'

const MAX_VISITORS = 40
/** They go home when nobody sends them: a forgotten dashboard must not keep a machine busy. */
const STAY = 5 * 60_000
const CATEGORIES = 40
const PRODUCTS = 2_000
/** Of a hundred visits so many look at a list, and so many buy. */
const LISTS = 30
const PURCHASES = 1

/** What {@link Visitors} use. */
export type VisitorsParts = { app: FastifyInstance; orders: Orders }

/** Made-up people who look around in the shop: they use its routes as browsers do, and mostly want what others want too. */
export class Visitors {
  readonly #app: FastifyInstance
  readonly #orders: Orders
  #leaving: AbortController | undefined
  #count = 0

  constructor({ app, orders }: VisitorsParts) {
    this.#app = app
    this.#orders = orders
  }

  /** How many are in the shop. */
  get count(): number {
    return this.#leaving?.signal.aborted === false ? this.#count : 0
  }

  /** Lets so many in, up to 40, for five minutes, instead of those who were there. 0: the shop is empty. */
  invite(count: number): void {
    this.#leaving?.abort()
    this.#count = Math.min(count, MAX_VISITORS)
    if (this.#count === 0) return
    const leaving = new AbortController()
    this.#leaving = leaving
    setMaxListeners(0, leaving.signal) // each visitor's pause listens
    const home = setTimeout(() => leaving.abort(), STAY).unref()
    leaving.signal.addEventListener('abort', () => clearTimeout(home), { once: true })
    for (let visitor = 1; visitor <= this.#count; visitor++) void this.#lookAround(visitor, leaving.signal)
  }

  async #lookAround(visitor: number, leaving: AbortSignal): Promise<void> {
    while (!leaving.aborted) {
      // Whatever the shop answers, and in an outage it may be an error, they come again.
      await this.#visit(visitor).catch(() => {})
      await pause(50 + Math.random() * 250, undefined, { signal: leaving, ref: false }).catch(() => {})
    }
  }

  async #visit(visitor: number): Promise<void> {
    const dice = Math.random() * 100
    if (dice < PURCHASES) {
      const items = [{ productId: popular(PRODUCTS), quantity: 1 }]
      await this.#orders.place(`visitor${visitor}@example.com`, crypto.randomUUID(), { items })
    } else if (dice < PURCHASES + LISTS) {
      await this.#app.inject(`/products?category=${popular(CATEGORIES)}&pageSize=24`)
    } else {
      const product = `/products/${popular(PRODUCTS)}`
      await this.#app.inject(product)
      await this.#app.inject({ method: 'POST', url: `${product}/views` })
    }
  }
}

/** One of `1 … amount`, the first ones far oftener than the last. */
function popular(amount: number): number {
  return Math.floor(amount ** Math.random())
}
