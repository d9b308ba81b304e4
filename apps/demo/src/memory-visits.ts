import { LRUCache } from 'lru-cache'
import { HISTORY, KEPT, type Visit, type Visits } from './visits.js'

const MAX_HISTORIES = 10_000
const MAX_PRODUCTS = 5_000
/** Beyond it a product's count stands still: this process must not grow with its visitors. */
const MAX_VISITORS = 10_000

/** {@link Visits} in this process. */
export class MemoryVisits implements Visits {
  readonly #histories = new LRUCache<string, number[]>({ max: MAX_HISTORIES, ttl: KEPT * 1_000 })
  readonly #visitors = new LRUCache<number, Set<string>>({ max: MAX_PRODUCTS, ttl: KEPT * 1_000 })

  async record({ productId, visitor, user }: Visit): Promise<void> {
    const visitors = this.#visitors.get(productId) ?? new Set()
    if (visitors.size < MAX_VISITORS) visitors.add(visitor)
    this.#visitors.set(productId, visitors)
    if (user === undefined) return
    const others = (this.#histories.get(user) ?? []).filter((id) => id !== productId)
    this.#histories.set(user, [productId, ...others].slice(0, HISTORY))
  }

  async recent(user: string): Promise<number[]> {
    return this.#histories.get(user) ?? []
  }

  async visitors(productId: number): Promise<number> {
    return this.#visitors.get(productId)?.size ?? 0
  }
}
