import type { Acquirer } from './acquirer.js'
import type { Lock } from './lock.js'
import type { AcquireOptions } from './options.js'

/** A lock that several may hold at once: at most `permits`. */
export class Semaphore {
  readonly #permit: Acquirer

  /** Use {@link Locks.semaphore}. */
  constructor(permit: Acquirer) {
    this.#permit = permit
  }

  /** Waits for a permit; rejects `LARDER_LOCKS_TIMEOUT` when the wait is over. */
  acquire(options?: AcquireOptions): Promise<Lock> {
    return this.#permit.acquire(options)
  }

  /** A permit, or `undefined` when none is free now. */
  tryAcquire(options?: Omit<AcquireOptions, 'wait'>): Promise<Lock | undefined> {
    return this.#permit.tryAcquire(options)
  }

  /** Runs the routine with a permit, and releases it whatever happens. */
  using<T>(routine: (lock: Lock) => T | PromiseLike<T>): Promise<T>
  using<T>(options: AcquireOptions, routine: (lock: Lock) => T | PromiseLike<T>): Promise<T>
  using<T>(
    options: AcquireOptions | ((lock: Lock) => T | PromiseLike<T>),
    routine?: (lock: Lock) => T | PromiseLike<T>,
  ): Promise<T> {
    return this.#permit.using(options as AcquireOptions, routine as (lock: Lock) => T | PromiseLike<T>)
  }
}
