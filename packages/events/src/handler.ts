/** An entry as a handler gets it. */
export interface Handled<T> {
  /** The same at every attempt, and after a replay: what to make a handler idempotent by. */
  readonly id: string
  /** Frozen, unless a schema made it. */
  readonly payload: T
  /** 1 at first. */
  readonly attempt: number
  /** Aborted when another consumer has taken the entry over, or the time to stop is over: whatever one does now may be done twice. */
  readonly signal: AbortSignal
}

/** What is to be done with each entry. When it resolves the entry is acknowledged; when it rejects, it is tried again. */
export type Handler<T> = (entry: Handled<T>) => unknown
