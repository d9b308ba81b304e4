/** What has a deadline. */
export interface Timed {
  /** The tick of {@link Deadlines} at which it began; theirs to set. */
  tick: number
  settled: boolean
}

/** A deadline is counted in this many ticks of one timer, so that a stall of our own process is not held against Redis. */
const TICKS = 16
/** What one late tick counts at most. */
const MOST_TICKS = 4

/** The deadlines of what is under way, all as long: a queue and one timer, which runs while there is something in it. */
export class Deadlines<Item extends Timed> {
  readonly #limit: number
  readonly #expire: (items: Item[]) => void
  /** In the order of their beginnings; from {@link #head} on, since what comes before is settled and let go at once. */
  #waiting: (Item | undefined)[] = []
  #head = 0
  #tick = 0
  #ticked = 0
  #timer: NodeJS.Timeout | undefined

  /** @param limit milliseconds; @param expire is given what was not settled in time */
  constructor(limit: number, expire: (items: Item[]) => void) {
    this.#limit = limit
    this.#expire = expire
  }

  /** Begins the time of an item. */
  watch(item: Item): void {
    item.tick = this.#tick
    this.#waiting.push(item)
    if (this.#timer === undefined) this.#start()
  }

  /** An item was settled: lets go what need not be watched any more. */
  passed(): void {
    while (this.#waiting[this.#head]?.settled) this.#waiting[this.#head++] = undefined
    if (this.#head === this.#waiting.length) this.#forget()
    else if (this.#head > 1024) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
  }

  /** Ends the timer, and returns what was not settled. */
  close(): Item[] {
    this.#stop()
    const left = this.#waiting.filter((item) => item !== undefined && !item.settled) as Item[]
    this.#forget()
    return left
  }

  #start(): void {
    this.#ticked = performance.now()
    this.#timer = setInterval(() => this.#onTick(), this.#limit / TICKS).unref()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #onTick(): void {
    const now = performance.now()
    // Timers of a busy process come late, and what is late counts; of a stall of our own only a part does.
    const passed = Math.round(((now - this.#ticked) * TICKS) / this.#limit)
    this.#ticked = now
    this.#tick += Math.min(Math.max(passed, 1), MOST_TICKS)
    // An answer may lie in the socket, which gets its turn first.
    if (passed > 1) setImmediate(() => this.#look())
    else this.#look()
  }

  #look(): void {
    const late: Item[] = []
    for (let item = this.#waiting[this.#head]; item !== undefined; item = this.#waiting[this.#head]) {
      if (!item.settled) {
        if (item.tick + TICKS >= this.#tick) break
        late.push(item)
      }
      this.#waiting[this.#head++] = undefined
    }
    if (this.#head === this.#waiting.length) {
      this.#forget()
      this.#stop()
    }
    if (late.length > 0) this.#expire(late)
  }

  #forget(): void {
    this.#waiting = []
    this.#head = 0
  }
}
