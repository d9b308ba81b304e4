import { createHash } from 'node:crypto'
import type { Queryable } from './database.js'
import { KeyReusedError } from './errors.js'
import type { Order, OrderLine } from './order.js'
import type { Problem } from './problem.js'

/** What a request for an order was answered: sold, or why not. */
export type OrderAnswer = { status: 201; body: Order } | { status: 404 | 409; body: Problem }

/** One wish to buy, however often it is sent. */
export type OrderWish = { user: string; key: string; lines: readonly OrderLine[] }

type Row = { fingerprint: string } & OrderAnswer

/**
 * The answer that was given to this wish; `undefined` where there was none.
 *
 * @throws KeyReusedError when the key stood for another wish
 */
export async function findAnswer(database: Queryable, wish: OrderWish): Promise<OrderAnswer | undefined> {
  const { rows } = await database.query<Row>(
    'SELECT fingerprint, status, body FROM shop.order_answers WHERE user_id = $1 AND key = $2',
    [wish.user, wish.key],
  )
  const [row] = rows
  if (row === undefined) return undefined
  const { fingerprint, ...answer } = row
  if (fingerprint !== fingerprintOf(wish)) throw new KeyReusedError(wish.key)
  return answer
}

/**
 * Whether the key is this transaction's own to answer. Waits for another one that has it: the lock should have kept that away, the
 * database makes sure.
 */
export async function claimKey(transaction: Queryable, wish: OrderWish): Promise<boolean> {
  const { rows } = await transaction.query(
    `INSERT INTO shop.order_answers (user_id, key, fingerprint) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1`,
    [wish.user, wish.key, fingerprintOf(wish)],
  )
  return rows.length > 0
}

/** Keeps the answer, in the transaction that sells: after a crash there are both or neither. */
export async function keepAnswer(transaction: Queryable, { user, key }: OrderWish, answer: OrderAnswer): Promise<void> {
  await transaction.query(
    'UPDATE shop.order_answers SET status = $3, body = $4::jsonb WHERE user_id = $1 AND key = $2',
    [user, key, answer.status, JSON.stringify(answer.body)],
  )
}

function fingerprintOf({ lines }: OrderWish): string {
  return createHash('sha256').update(JSON.stringify(lines)).digest('base64url')
}
