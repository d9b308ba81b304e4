/** Options of a {@link Heartbeat}. */
export interface HeartbeatOptions {
  /** Milliseconds between two questions. */
  readonly every: number
  /** Milliseconds after which an unanswered question is the end. */
  readonly limit: number
  /** Milliseconds since an arbitrary start. */
  readonly now: () => number
  /** Asks the other side. A rejection is no answer. */
  readonly ask: () => Promise<unknown>
  /** The question sent at this time was answered. */
  readonly onAnswer: (sent: number) => void
  /** No answer within the limit. */
  readonly onSilence: () => void
}

/**
 * Finds out whether a connection lives: a peer that went away without a word is told from one that has nothing to say only by asking.
 * A stall of this process is not held against the peer.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #timer: NodeJS.Timeout | undefined
  #asked: number | undefined
  #last = 0
  /** Counts starts: what an earlier connection answers does not matter any more. */
  #start = 0

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /** Begins with a connection that has just answered. */
  start(): void {
    this.stop()
    this.#last = this.#options.now()
    this.#timer = setInterval(() => this.#beat(), this.#options.every).unref()
  }

  /** Ends it with its connection. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#asked = undefined
    this.#start++
  }

  #beat(): void {
    const { every, limit, ask, onAnswer, onSilence } = this.#options
    const now = this.#options.now()
    // We stalled: an answer may lie in the socket, which gets its turn before the connection is judged.
    const stalled = now - this.#last > 2 * every
    this.#last = now
    if (this.#asked !== undefined) {
      if (!stalled && now - this.#asked > limit) onSilence()
      return
    }
    this.#asked = now
    const start = this.#start
    ask().then(
      () => {
        if (start !== this.#start) return
        this.#asked = undefined
        onAnswer(now)
      },
      () => {},
    )
  }
}
