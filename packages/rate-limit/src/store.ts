import type { Policy } from './algorithm.js'

/** What a refused request that comes again while it is refused does to the wait. */
export type Penalty = 'none' | 'renew' | 'double'

/** What a request asks of a store. */
export interface Demand {
  /** Whose limit it is; the store's own prefix not included. */
  readonly key: string
  /** All must have room, else none is charged. The first is the one whose `max` and window the plugin knows. */
  readonly policies: readonly [Policy, ...Policy[]]
  /** Units that the request takes of each policy. */
  readonly cost: number
  /** Refusals within a window after which the key is refused until the window is over; -1: never. */
  readonly ban: number
  readonly penalty: Penalty
  /** `false`: only look. */
  readonly take: boolean
}

/** How one policy stands after a request. */
export interface Quota {
  /** Units in use. */
  readonly used: number
  /** Milliseconds until all units are free. */
  readonly reset: number
  /** Milliseconds until the units that were asked for are free; 0: they are, or were. */
  readonly wait: number
}

/** What a store answers. */
export interface Verdict {
  /** 0: let in. Else how many requests were refused within a window, this one included. */
  readonly refusals: number
  /** Milliseconds until the same request would be let in, if nobody else makes one. */
  readonly wait: number
  /** One a policy. */
  readonly quotas: readonly Quota[]
}

/** Where limits are kept. */
export interface LimitStore {
  decide(demand: Demand): Verdict | Promise<Verdict>
}
