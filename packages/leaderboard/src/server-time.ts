import { type Caller, Clock, type Reply } from '@larder/core'

/** Milliseconds after which the time is asked for again, beside the work. */
const FRESH = 60_000

/** The time of the Redis server, known to within a round trip: asked once, then told by this process's own clock. */
export class ServerTime {
  readonly #redis: Caller
  readonly #clock: Clock
  /** What the server's time is ahead of the clock. */
  #ahead: number | undefined
  #asked = 0
  #asking: Promise<void> | undefined

  constructor(redis: Caller, clock: Clock = new Clock()) {
    this.#redis = redis
    this.#clock = clock
  }

  /** Milliseconds since 1970; a promise when nothing is known yet. */
  now(): number | Promise<number> {
    const now = this.#clock.now()
    if (this.#ahead === undefined) return this.#ask().then(() => this.now())
    // Who fails here goes by what is known; Redis being away is told by what the time is for.
    if (now - this.#asked > FRESH) this.#ask().catch(() => {})
    return now + this.#ahead
  }

  /** The server has just told its time. */
  learn(time: number): void {
    this.#asked = this.#clock.now()
    this.#ahead = time - this.#asked
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#measure().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #measure(): Promise<void> {
    const begun = this.#clock.now()
    const [seconds, micros] = (await this.#redis.call('time', [])) as Reply[]
    const ended = this.#clock.now()
    this.#asked = ended
    this.#ahead = Number(seconds) * 1_000 + Number(micros) / 1_000 - (begun + ended) / 2
  }
}
