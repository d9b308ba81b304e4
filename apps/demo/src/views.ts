import type { Counter, WriteBehind } from '@larder/write-behind'
import type { Database } from './database.js'
import { addViews, selectViews } from './view-table.js'

/** How often products were looked at: counted in Redis, and added to the database each second. */
export class Views {
  readonly #database: Database
  readonly #counter: Counter

  constructor(database: Database, writeBehind: WriteBehind) {
    this.#database = database
    // What was counted for one database must never be added to another.
    this.#counter = writeBehind.counter(`views of ${database.identity}`, {
      every: '1s',
      flush: (batch) => addViews(database, batch),
    })
  }

  /** Resolves once it is counted. */
  async add(productId: number): Promise<void> {
    await this.#counter.increment(productId)
  }

  /** `total`: in the database; `pending`: counted, and on their way. What is being added meanwhile may show in both. */
  async of(productId: number): Promise<{ total: number; pending: number }> {
    const pending = await this.#counter.pending(productId)
    return { total: await selectViews(this.#database, productId), pending }
  }
}
