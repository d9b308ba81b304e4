import type { Board, Leaderboards, Standing } from '@larder/leaderboard'
import type { FastifyBaseLogger } from 'fastify'
import type { Database } from './database.js'
import { BoardFedError, MemberNotFoundError } from './errors.js'

/** The board of what was sold, by product. */
export const BEST_SELLERS = 'best-sellers'

/** Since when scores count; days, weeks and months of UTC. */
export const WINDOWS = ['all', 'day', 'week', 'month'] as const
export type RankingWindow = (typeof WINDOWS)[number]

/** What {@link Rankings} works with. */
export type RankingsParts = { database: Database; leaderboards: Leaderboards; log: FastifyBaseLogger }

const SOLD = `
  SELECT product_id AS id, coalesce(sum(quantity), 0)::int AS sold
  FROM shop.order_items JOIN shop.orders ON orders.id = order_id
  WHERE product_id = ANY($1::int[]) AND created_at >= $2
  GROUP BY product_id`

/** Boards that anybody may score on, each in four windows, and the best-sellers, which follow the orders. */
export class Rankings {
  readonly #database: Database
  readonly #leaderboards: Leaderboards
  readonly #log: FastifyBaseLogger

  constructor({ database, leaderboards, log }: RankingsParts) {
    this.#database = database
    this.#leaderboards = leaderboards
    this.#log = log
  }

  /** The standings of a board. Shops on one Redis need not have one database: each has boards of its own. */
  board(name: string, window: RankingWindow): Board {
    return this.#leaderboards.board([name, this.#database.identity], { window })
  }

  /** @throws MemberNotFoundError for who has no score */
  async standing(name: string, member: string, window: RankingWindow): Promise<Standing> {
    const standing = await this.board(name, window).rank(member)
    if (standing === undefined) throw new MemberNotFoundError(member, name)
    return standing
  }

  /**
   * Sets a score in all windows and tells where the member stands in that of all times.
   *
   * @throws BoardFedError for the best-sellers
   */
  async set(name: string, member: string, score: number): Promise<Standing> {
    if (name === BEST_SELLERS) throw new BoardFedError(name)
    await Promise.all(WINDOWS.map((window) => this.board(name, window).set(member, score)))
    return this.standing(name, member, 'all')
  }

  /**
   * Tells the best-sellers that these products were sold. Sums only grow, and only a higher one counts: so it may be told again
   * and in any order, and what was missed while Redis was away comes with the product's next sale. An order does not fail of it.
   */
  async renewSold(ids: readonly number[]): Promise<void> {
    try {
      await Promise.all(WINDOWS.map((window) => this.#renew(ids, window)))
    } catch (error) {
      this.#log.warn({ err: error, products: ids }, 'best-sellers were not told of a sale')
    }
  }

  async #renew(ids: readonly number[], window: RankingWindow): Promise<void> {
    const board = this.board(BEST_SELLERS, window)
    const start = (await board.window())?.start ?? new Date(0)
    const { rows } = await this.#database.query<{ id: number; sold: number }>(SOLD, [ids, start])
    await Promise.all(rows.map(({ id, sold }) => board.set(id, sold, { only: 'higher' })))
  }
}
