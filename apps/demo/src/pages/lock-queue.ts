import { setTimeout as pause } from 'node:timers/promises'
import type { Locks } from '@larder/locks'

const LOCK = 'experiment'
const HOLD = 4_000
const MAX_WAITERS = 8

/** Who has the lock that one can try out, since when (ms since 1970) and with which fencing token; and who waits. */
export type LockQueueState = { holder: { since: number; token: string } | undefined; waiters: { since: number }[] }

/** A lock to try out: each taker holds it for four seconds, the others queue. */
export class LockQueue {
  readonly #locks: Locks
  readonly #closing = new AbortController()
  #holder: LockQueueState['holder']
  readonly #waiters = new Set<{ since: number }>()

  constructor(locks: Locks) {
    this.#locks = locks
  }

  /** Queues one more taker, up to eight; does not wait for the lock. */
  take(): void {
    if (this.#waiters.size < MAX_WAITERS) void this.#hold().catch(() => {}) // a lock that cannot be had is shown by its absence
  }

  state(): LockQueueState {
    return { holder: this.#holder, waiters: [...this.#waiters] }
  }

  /** Sends all home. */
  close(): void {
    this.#closing.abort()
  }

  async #hold(): Promise<void> {
    const { signal } = this.#closing
    const waiter = { since: Date.now() }
    this.#waiters.add(waiter)
    try {
      await using lock = await this.#locks.acquire(LOCK, { wait: '1m', signal })
      this.#waiters.delete(waiter)
      this.#holder = { since: Date.now(), token: String(lock.fencingToken) }
      await pause(HOLD, undefined, { signal: AbortSignal.any([signal, lock.signal]), ref: false })
    } finally {
      if (!this.#waiters.delete(waiter)) this.#holder = undefined
    }
  }
}
