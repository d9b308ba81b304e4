import { performance } from 'node:perf_hooks'

/** Where a {@link Clock} takes time from; tests hand in their own. Both in milliseconds. */
export interface TimeSource {
  /** Never jumps, but stands still while the machine sleeps. */
  readonly monotonic: () => number
  /** Goes on while the machine sleeps, but can be set. */
  readonly wall: () => number
}

const REAL: TimeSource = { monotonic: () => performance.now(), wall: () => Date.now() }

/** Hits of one turn of the event loop that share a reading of the clock, at most. */
const HITS_PER_READING = 16
/** Only hits that come this close after each other share one, in milliseconds. */
const CLOSE = 1
/** Milliseconds by which the clocks differ without meaning anything: the wall clock counts in whole ones. */
const GRAIN = 2

/**
 * The time that a process trusts its copies by, in milliseconds since an arbitrary start: that of the monotonic clock, and on top of
 * it whatever the wall clock went further. Never back, also not when the wall clock is set; and also while the machine sleeps.
 *
 * Reading a clock costs about as much as half a hit, so {@link sampled} reads it at the first hits of a turn of the event
 * loop, then, as long as they follow each other closely, at fewer and fewer, down to every sixteenth.
 */
export class Clock {
  readonly #source: TimeSource
  /** What the clocks said when they were last found apart. */
  #monotonic: number
  #wall: number
  #slept: number
  #now = 0
  #left = 0
  #shared = 0
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
    // Compared since then and not since the last reading, else each new millisecond of the wall clock would count as a leap.
    const apart = this.#source.wall() - this.#wall - (monotonic - this.#monotonic)
    this.#now = (apart > GRAIN || apart < -GRAIN ? this.#compare() : monotonic) + this.#slept
    return this.#now
  }

  /**
   * Counts what the wall clock went further, and returns the monotonic time. A busy machine may take the processor away between the
   * two readings, which is no leap: only two that were taken together are compared, or the fifth.
   */
  #compare(): number {
    let monotonic = this.#source.monotonic()
    for (let attempt = 1; ; attempt++) {
      const wall = this.#source.wall()
      const after = this.#source.monotonic()
      if (after - monotonic <= GRAIN || attempt === 5) {
        const apart = wall - this.#wall - (monotonic - this.#monotonic)
        if (apart > GRAIN) this.#slept += apart
        if (apart > GRAIN || apart < -GRAIN) {
          this.#monotonic = monotonic
          this.#wall = wall
        }
        return after
      }
      monotonic = after
    }
  }

  /**
   * The time, or for calls within one turn of the event loop a recent one. Work between two hits is noticed at the second one,
   * unless a row of close hits came before it: then within the next fifteen.
   */
  sampled(): number {
    return this.#left-- > 0 ? this.#now : this.#sample()
  }

  #sample(): number {
    if (!this.#armed) {
      this.#armed = true
      this.#left = 0
      this.#shared = 0
      setImmediate(this.#endTurn)
      return this.now()
    }
    // Within a turn the machine does not sleep unnoticed for long: the next one reads both clocks.
    const before = this.#now
    this.#now = this.#source.monotonic() + this.#slept
    this.#shared = this.#now - before < CLOSE ? Math.min(2 * this.#shared + 1, HITS_PER_READING - 1) : 0
    this.#left = this.#shared
    return this.#now
  }
}
