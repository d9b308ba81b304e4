import type { Copy, State } from './copy.js'

/** How a load ended. */
export interface Outcome {
  readonly copy: Copy
  readonly state: State
  /** The store confirmed that nothing changed the entry since the load began. */
  readonly confirmed: boolean
}

/** How long one caller waits. Spans in milliseconds. */
export interface Patience {
  readonly signal: AbortSignal | undefined
  /** After it he takes what is stale, if he may, and the load goes on. */
  readonly soft: number | undefined
  /** After it he leaves, with what is stale or with the error. */
  readonly hard: { readonly limit: number; readonly error: () => Error } | undefined
  /** What is stale, if it may be served at this moment. */
  readonly stale: () => Outcome | undefined
}

/** A longer delay would fire at once. */
const LONGEST_DELAY = 2 ** 31 - 1

function after(delay: number | undefined, run: () => void): NodeJS.Timeout | undefined {
  return delay === undefined ? undefined : setTimeout(run, Math.min(delay, LONGEST_DELAY))
}

/** A load under way in this process, shared by all who ask for its key. */
export class Flight {
  /** The entry was heard to change since it began. */
  suspected = false
  /** `Epochs.changes` when it began. */
  changes: number
  readonly startedAt: number
  /** When the store was asked last, by `performance.now()`: what comes of it is no older. */
  askedAt: number = Number.NEGATIVE_INFINITY
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
    this.askedAt = performance.now()
  }

  /** The outcome, for one caller, who leaves as soon as his signal aborts or his patience ends; the load ends with the last one. */
  join({ signal, soft, hard, stale }: Patience): Promise<Outcome> {
    this.#callers++
    if (signal === undefined && soft === undefined && hard === undefined) return this.promise
    return new Promise((resolve, reject) => {
      const leave = (reason: unknown): void => {
        end()
        reject(reason)
        if (--this.#callers === 0) this.abort(reason)
      }
      const onAbort = (): void => leave(signal?.reason)
      const onHard = (): void => {
        const outcome = stale()
        if (outcome) resolve(outcome)
        leave(hard?.error())
      }
      const onSoft = (): void => {
        const outcome = stale()
        if (outcome) resolve(outcome)
      }
      const timers = [after(soft, onSoft), after(hard?.limit, onHard)]
      const end = (): void => {
        for (const timer of timers) clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
      this.promise.then(resolve, reject).finally(end)
    })
  }
}
