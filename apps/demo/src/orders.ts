import type { Key, LockSet, Locks } from '@larder/locks'
import type { Tags } from '@larder/tags'
import type { Catalogue } from './catalogue.js'
import type { Database, Queryable } from './database.js'
import { OrderNotFoundError, OrderOvertakenError, OutOfStockError, ProductNotFoundError } from './errors.js'
import { type Order, type OrderDraft, type OrderLine, toLines } from './order.js'
import { claimKey, findAnswer, keepAnswer, type OrderAnswer, type OrderWish } from './order-answer.js'
import type { OrderFeed } from './order-feed.js'
import { insertOrder, lockShelves, type Shelf, selectOrders, takeStock } from './order-table.js'
import { toProblem } from './problem.js'
import type { Rankings } from './rankings.js'
import { ORDERS } from './stats.js'

/** How many orders a user is shown. */
const SHOWN = 50

/** What {@link Orders} works with. */
export type OrdersParts = {
  database: Database
  locks: Locks
  catalogue: Catalogue
  tags: Tags
  rankings: Rankings
  orderFeed: OrderFeed
}

/**
 * Sells. The locks make buyers of one product take turns over all processes, first come, first served. They can be lost, so the
 * database does not rely on them: it refuses a fencing token older than the last one, a stock below zero, and a second answer to
 * one key.
 */
export class Orders {
  readonly #database: Database
  readonly #locks: Locks
  readonly #catalogue: Catalogue
  readonly #tags: Tags
  readonly #rankings: Rankings
  readonly #orderFeed: OrderFeed

  constructor({ database, locks, catalogue, tags, rankings, orderFeed }: OrdersParts) {
    this.#database = database
    this.#locks = locks
    this.#catalogue = catalogue
    this.#tags = tags
    this.#rankings = rankings
    this.#orderFeed = orderFeed
  }

  /**
   * Sells what the draft says, all or nothing, or says why not. The same draft with the same key is answered as the first time,
   * and sells nothing more; also when the process that sold died before it answered.
   *
   * @throws KeyReusedError for another draft with a key that was answered; OrderOvertakenError, `LARDER_LOCKS_TIMEOUT` and
   * `LARDER_LOCKS_UNAVAILABLE` when nothing was sold and the same request should be sent again
   */
  async place(user: string, key: string, draft: OrderDraft): Promise<{ answer: OrderAnswer; replayed: boolean }> {
    const wish = { user, key, lines: toLines(draft) }
    const known = await findAnswer(this.#database, wish)
    const answer = known ?? (await this.#placeLocked(wish))
    // A known one too: the process that sold may have died before it told the caches and boards.
    if (answer.status === 201) await this.#tell(wish.lines)
    return { answer, replayed: known !== undefined }
  }

  /** The user's last orders, newest first. */
  of(user: string): Promise<Order[]> {
    return selectOrders(this.#database, user, { limit: SHOWN })
  }

  /** @throws OrderNotFoundError for one that is not there, or not the user's */
  async one(user: string, id: number): Promise<Order> {
    const [order] = await selectOrders(this.#database, user, { id, limit: 1 })
    if (order === undefined) throw new OrderNotFoundError(id)
    return order
  }

  async #placeLocked(wish: OrderWish): Promise<OrderAnswer> {
    const products = wish.lines.map(({ productId }) => this.#productLock(productId))
    await using locked = await this.#locks.acquireAll([this.#keyLock(wish), ...products])
    return await this.#database.transaction(async (transaction) => {
      if (!(await claimKey(transaction, wish))) return (await findAnswer(transaction, wish))! // who had claimed it answered
      const answer = await this.#sell(transaction, wish, locked)
      await keepAnswer(transaction, wish, answer)
      return answer
    })
  }

  async #sell(transaction: Queryable, { user, lines }: OrderWish, locked: LockSet): Promise<OrderAnswer> {
    const shelves = await lockShelves(
      transaction,
      lines.map(({ productId }) => productId),
    )
    const refusal = refuse(lines, new Map(shelves.map((shelf) => [shelf.id, shelf])))
    if (refusal) return refusal
    const tokens = locked.fencingTokens
    const fenced = lines.map((line) => ({ ...line, token: tokens.get(this.#productLock(line.productId))! })) // locked
    // There is enough of each and the rows are ours: what was not taken was refused to an old token.
    if ((await takeStock(transaction, fenced)) < lines.length) throw new OrderOvertakenError()
    return { status: 201, body: await insertOrder(transaction, user, lines) }
  }

  async #tell(lines: readonly OrderLine[]): Promise<void> {
    const ids = lines.map(({ productId }) => productId)
    const told = [
      this.#catalogue.renewStock(ids),
      this.#tags.invalidate(ORDERS),
      this.#rankings.renewSold(ids),
      this.#orderFeed.announce(),
    ]
    await Promise.all(told)
  }

  // Shops on one Redis need not have one database; products of different databases are different ones.
  #productLock(id: number): string {
    return `product:${this.#database.identity}:${id}`
  }

  #keyLock({ user, key }: OrderWish): Key {
    return ['order', this.#database.identity, user, key]
  }
}

function refuse(lines: readonly OrderLine[], shelves: ReadonlyMap<number, Shelf>): OrderAnswer | undefined {
  for (const { productId } of lines)
    if (!shelves.has(productId)) return { status: 404, body: toProblem(new ProductNotFoundError(productId)) }
  for (const { productId, quantity } of lines) {
    const { name, stock } = shelves.get(productId)! // looked up above
    if (stock < quantity) return { status: 409, body: toProblem(new OutOfStockError(stock, productId, name)) }
  }
  return undefined
}
