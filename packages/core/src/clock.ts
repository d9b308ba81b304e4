import { performance } from 'node:perf_hooks'

/** Where a {@link Clock} takes time from; tests hand in their own. Both in milliseconds. */
export interface TimeSource {
  /** Never jumps, but stands still while the machine sleeps. */
  readonly monotonic: () => number
  /** Goes on while the machine sleeps, but can be set. */
  readonly wall: () => number
}

const REAL: TimeSource = { monotonic: () => performance.now(), wall: () => Date.now() }

/** Hits of one turn of the event loop between two readings of the clock. */
const HITS_PER_READING = 8
/** Milliseconds by which the clocks differ without meaning anything: the wall clock counts in whole ones. */
const GRAIN = 2

/**
 * The time that a process trusts its copies by, in milliseconds since an arbitrary start: that of the monotonic clock, and on top of
 * it whatever the wall clock went further. Never back, also not when the wall clock is set; and also while the machine sleeps.
 *
 * Reading a clock costs about as much as half a hit, so {@link sampled} reads it at the first hit of a turn of the event
 * loop and then at every eighth.
 */
export class Clock {
  readonly #source: TimeSource
  /** What the clocks said when they were last found apart. */
  #monotonic: number
  #wall: number
  #slept: number
  #now = 0
  #left = 0
  #armed = false
  readonly #endTurn = () => {
    this.#armed = false
    this.#left = 0
  }

  constructor(source: TimeSource = REAL) {
    this.#source = source
    this.#monotonic = source.monotonic()
    this.#wall = source.wall()
    this.#slept = -this.#monotonic
  }

  /** Reads the time. */
  now(): number {
    const monotonic = this.#source.monotonic()
    const wall = this.#source.wall()
    // Compared since then and not since the last reading, else each new millisecond of the wall clock would count as a leap.
    const apart = wall - this.#wall - (monotonic - this.#monotonic)
    if (apart > GRAIN || apart < -GRAIN) {
      if (apart > 0) this.#slept += apart
      this.#monotonic = monotonic
      this.#wall = wall
    }
    this.#now = monotonic + this.#slept
    return this.#now
  }

  /** The time as of this turn of the event loop, read anew at every eighth call within the turn. */
  sampled(): number {
    if (this.#left-- > 0) return this.#now
    this.#left = HITS_PER_READING - 1
    if (!this.#armed) {
      this.#armed = true
      setImmediate(this.#endTurn)
    }
    return this.now()
  }
}
