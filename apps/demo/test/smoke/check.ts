import { deepEqual, equal, match } from 'node:assert/strict'
import type { Cart, Product } from '@larder/demo'
import { pollUntil } from '@larder/test-redis'
import type { Login, Problem, ShopClient } from './client.js'

/** What a check drives. */
export type Shops = {
  /** A shop that people write to. */
  a: ShopClient
  /** Another process of the same shop; in memory the same one. */
  b: ShopClient
  /** What the shop's `/health` says of Redis. */
  redis: 'memory' | 'ready'
}

/** One thing that a user would do, and what must come of it. */
export type Check = { route: string; sees: string; run: (shops: Shops) => Promise<void> }

/** What another process shows may be this old: the limit of the feed's heartbeat. */
const HEARD_WITHIN = 2_000

let names = 0
/** A name that nobody else uses: of a product to search for, of an order. */
export const unique = (noun: string) => `${noun}-${process.pid}-${++names}`

/** A new product. */
export async function makeProduct(shop: ShopClient, draft: Partial<Product> = {}): Promise<Product> {
  const body = { name: unique('Smoke'), price: 12.5, categoryId: 7, ...draft }
  const { status, body: product } = await shop.change<Product>('POST', '/products', body)
  equal(status, 201)
  return product
}

/** The check passes soon: at once in the process that wrote, when the feed has told it in another one. */
export async function soon(check: () => Promise<void>): Promise<void> {
  const passes = async () => {
    await check()
    return true
  }
  await pollUntil('the other process', passes, HEARD_WITHIN).catch((error: Error) =>
    Promise.reject(error.cause ?? error),
  )
}

/** Whether an error looks as it should. */
export function isProblem(problem: Problem, statusCode: number, message: RegExp): void {
  deepEqual(Object.keys(problem).sort(), ['code', 'error', 'message', 'statusCode'])
  equal(problem.statusCode, statusCode)
  match(problem.message, message)
}

/** Somebody who is logged in and has nothing in the cart. */
export async function emptyHanded(shop: ShopClient): Promise<Login> {
  const login = await shop.login()
  const { body } = await shop.get<Cart>('/cart', login)
  for (const { productId } of body.items) await shop.put(`/cart/${productId}`, { quantity: 0 }, login)
  return login
}
