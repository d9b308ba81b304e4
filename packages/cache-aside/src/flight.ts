import type { Copy, State } from './copy.js'

/** How a load ended. */
export interface Outcome {
  readonly copy: Copy
  readonly state: State
  /** The store confirmed that nothing changed the entry since the load began. */
  readonly confirmed: boolean
}

/** A load under way in this process, shared by all who ask for its key. */
export class Flight {
  /** The entry was heard to change since it began. */
  suspected = false
  /** `Epochs.changes` when it began. */
  changes: number
  readonly startedAt: number
  readonly promise: Promise<Outcome>
  readonly #controller = new AbortController()
  #callers = 0

  constructor(changes: number, startedAt: number, run: (flight: Flight) => Promise<Outcome>) {
    this.changes = changes
    this.startedAt = startedAt
    this.promise = run(this)
    // Whoever joins handles it; a refresh in the background has nobody.
    this.promise.catch(() => {})
  }

  /** Aborts when the last caller has left, or at the hard timeout. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason)
  }

  /** The store is asked (again): what was heard before does not matter to what comes of it. */
  restart(changes: number): void {
    this.suspected = false
    this.changes = changes
  }

  /** Keeps the load running although nobody waits for it. */
  pin(): void {
    this.#callers++
  }

  /** The outcome, for one caller; rejects with the reason of its signal as soon as that aborts. */
  join(signal: AbortSignal | undefined): Promise<Outcome> {
    this.#callers++
    if (signal === undefined) return this.promise
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        reject(signal.reason)
        if (--this.#callers === 0) this.abort(signal.reason)
      }
      if (signal.aborted) return leave()
      signal.addEventListener('abort', leave, { once: true })
      this.promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
    })
  }
}
