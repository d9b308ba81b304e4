import type { Acquirer } from './acquirer.js'
import type { Lock } from './lock.js'
import type { AcquireOptions } from './options.js'

/** Readers beside each other, or one writer alone. In the order of their arrival, so neither starves. */
export class ReadWrite {
  readonly #reading: Acquirer
  readonly #writing: Acquirer

  /** Use {@link Locks.readWrite}. */
  constructor(reading: Acquirer, writing: Acquirer) {
    this.#reading = reading
    this.#writing = writing
  }

  /** Waits until no writer holds it or came before; rejects `LARDER_LOCKS_TIMEOUT` when the wait is over. */
  read(options?: AcquireOptions): Promise<Lock> {
    return this.#reading.acquire(options)
  }

  /** Waits until nobody holds it; rejects `LARDER_LOCKS_TIMEOUT` when the wait is over. */
  write(options?: AcquireOptions): Promise<Lock> {
    return this.#writing.acquire(options)
  }

  /** Like {@link read}; `undefined` when it would have to wait. */
  tryRead(options?: Omit<AcquireOptions, 'wait'>): Promise<Lock | undefined> {
    return this.#reading.tryAcquire(options)
  }

  /** Like {@link write}; `undefined` when it would have to wait. */
  tryWrite(options?: Omit<AcquireOptions, 'wait'>): Promise<Lock | undefined> {
    return this.#writing.tryAcquire(options)
  }
}
