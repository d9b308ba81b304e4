import type { Period } from './calendar.js'
import type { Tie } from './options.js'
import type { Standing } from './standings.js'

/** Where one board's scores of one window are kept. */
export interface Place {
  /** The board's name as it is in a Redis key. */
  readonly name: string
  /** What tells it from the other places of that name. */
  readonly key: string
  readonly tie: Tie
  /** Undefined: for ever. */
  readonly period: Period | undefined
}

/** How a member's score changes: by, to, or to if that is higher (or lower) than it was. */
export type Change = {
  readonly member: string
  readonly how: 'by' | 'to' | 'higher' | 'lower'
  readonly amount: number
}

/** The window is over, or has not begun: nothing was changed, and the store knows the time now. */
export const MOVED: unique symbol = Symbol('moved')

/** Where scores are kept. All that is given to it has been checked. */
export interface BoardStore {
  /** The time that windows go by, in milliseconds since 1970. */
  now(): number | Promise<number>
  /**
   * Changes a score and returns what it is then; `undefined` when that would not be finite. This and all that follows until `top` is
   * carried out at most once, and in the order of its calls.
   */
  change(place: Place, change: Change): Promise<number | undefined | typeof MOVED>
  /** Whether the member was there. */
  remove(place: Place, member: string): Promise<boolean | typeof MOVED>
  /** Removes all. */
  clear(place: Place): Promise<typeof MOVED | undefined>
  /** So many from a rank on, counted from 0. */
  top(place: Place, offset: number, count: number): Promise<Standing[]>
  rank(place: Place, member: string): Promise<Standing | undefined>
  /** The member with so many before and after it; none when it is not there. */
  around(place: Place, member: string, each: number): Promise<Standing[]>
  count(place: Place): Promise<number>
  /** Ends its interest in the client. */
  close(): void
}
