/** How a limit is counted. */
export type AlgorithmName = 'sliding-window' | 'gcra' | 'fixed-window'

/** One limit, as a request meets it. */
export interface Policy {
  /** Its name in `RateLimit` and `RateLimit-Policy`. */
  readonly name: string
  readonly algorithm: AlgorithmName
  /** Units of cost in a window; whole, 0 or more. */
  readonly max: number
  /** Whole milliseconds, at least 1. */
  readonly window: number
}

/** What a policy remembers of one key: whole numbers, which are its algorithm's own. */
export type Section = number[]

/**
 * The arithmetic of one algorithm, in whole numbers only: the Lua of `decide.lua` gives the same
 * answers. All but {@link settle} expect a settled section. Times in milliseconds of the clock that `now` is read from.
 */
export interface Algorithm {
  /** Drops what is over by now, and heals what a clock that was set back has left in the future. */
  settle(section: Section, policy: Policy, now: number): void
  /** Units in use. */
  used(section: Section, policy: Policy): number
  /** Milliseconds until `cost` units are free: 0 if they are, the window if they never will be. */
  wait(section: Section, policy: Policy, now: number, cost: number): number
  /** Takes units that {@link wait} found free. */
  add(section: Section, policy: Policy, now: number, cost: number): void
  /** Milliseconds until all units are free. */
  reset(section: Section, policy: Policy, now: number): number
}
