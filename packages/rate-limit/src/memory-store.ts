import { decide, emptyState, type State } from './decide.js'
import type { Demand, LimitStore, Verdict } from './store.js'

/** Options of a {@link MemoryStore}. */
export interface MemoryStoreOptions {
  /** Keys that are remembered; beyond, the one that was asked for the longest ago is forgotten. */
  readonly maxKeys: number
  /** The time in milliseconds; must not go back. */
  readonly now: () => number
}

/** Limits in the memory of this process. */
export class MemoryStore implements LimitStore {
  /** The key asked for the longest ago comes first. */
  readonly #states = new Map<string, State>()
  readonly #options: MemoryStoreOptions

  constructor(options: MemoryStoreOptions) {
    this.#options = options
  }

  decide(demand: Demand): Verdict {
    const known = this.#states.get(demand.key)
    const state = known ?? emptyState()
    const verdict = decide(state, demand, Math.floor(this.#options.now()))
    if (demand.take) this.#keep(demand.key, state, known !== undefined)
    return verdict
  }

  #keep(key: string, state: State, known: boolean): void {
    if (known) this.#states.delete(key)
    else if (this.#states.size >= this.#options.maxKeys) {
      for (const [oldest] of this.#states) {
        this.#states.delete(oldest)
        break
      }
    }
    this.#states.set(key, state)
  }
}
