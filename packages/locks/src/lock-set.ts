import type { ReleaseAnswer } from './channel.js'
import type { Lock } from './lock.js'

/** Several locks, held together. */
export class LockSet implements AsyncDisposable {
  /** In the order in which they were acquired, each once. */
  readonly locks: readonly Lock[]
  #signal: AbortSignal | undefined

  /** Use {@link Locks.acquireAll}. */
  constructor(locks: readonly Lock[]) {
    this.locks = locks
  }

  /** By name: each protects what its own lock is about. */
  get fencingTokens(): ReadonlyMap<string, bigint> {
    return new Map(this.locks.map(({ name, fencingToken }) => [name, fencingToken]))
  }

  /** Aborted when any of them is lost. */
  get signal(): AbortSignal {
    this.#signal ??= AbortSignal.any(this.locks.map(({ signal }) => signal))
    return this.#signal
  }

  /** Whether all are held at this moment. */
  get held(): boolean {
    return this.locks.every(({ held }) => held)
  }

  /**
   * Releases all; tells the worst answer: `stolen`, else `expired`, else `released`.
   *
   * @throws `LARDER_LOCKS_UNAVAILABLE` when one could not be released: call it again
   */
  async release(): Promise<ReleaseAnswer> {
    const settled = await Promise.allSettled(this.locks.map((lock) => lock.release()))
    const answers = settled.map((result) => {
      if (result.status === 'rejected') throw result.reason
      return result.value
    })
    return answers.find((answer) => answer === 'stolen') ?? answers.find((answer) => answer === 'expired') ?? 'released'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.locks.map((lock) => lock[Symbol.asyncDispose]()))
  }
}
