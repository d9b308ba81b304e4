import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Order } from '@larder/demo'
import { type Check, makeProduct, unique } from '../check.js'
import type { ShopEvent } from '../client.js'

type Sold = { id: number; total: number; items: { productId: number; quantity: number }[] }

/** What happens, as it happens. */
export const eventChecks: readonly Check[] = [
  {
    route: 'GET /events/orders',
    sees: 'each order as it is sold, in every process, and those that were missed',
    run: async ({ a, b }) => {
      const user = await a.login()
      const { id } = await makeProduct(a, { price: 2.5, stock: 50 })
      const mine = ({ data }: { data: Sold }) => data.items.some(({ productId }) => productId === id)
      const buy = async (quantity: number) =>
        (await a.order<Order>([{ productId: id, quantity }], user, unique('key'))).body.id
      let first: Promise<number> | undefined
      const events = await b.listen<Sold>('/events/orders', (some) => {
        // It listens as soon as anything comes.
        first ??= buy(2)
        return some.some(mine)
      })
      const [heard] = events.filter(mine)
      equal(heard?.event, 'order')
      deepEqual(
        [heard?.data.id, heard?.data.total, heard?.data.items],
        [await first, 5, [{ productId: id, quantity: 2 }]],
      )
      deepEqual(Object.keys(heard?.data ?? {}).sort(), ['createdAt', 'id', 'items', 'total'])
      const missed = [await buy(1), await buy(3)]
      for (const shop of [a, b]) {
        const since = (some: readonly { data: Sold }[]) => some.filter(mine).map(({ data }) => data.id)
        const later: ShopEvent<Sold>[] = await shop.listen<Sold>(
          '/events/orders',
          (some) => since(some).length >= missed.length,
          heard?.id,
        )
        deepEqual(since(later), missed)
        ok(later.every(({ event }) => event === 'order'))
      }
    },
  },
]
