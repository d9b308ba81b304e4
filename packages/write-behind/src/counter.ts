import { EntryBuffer, type EntryKey, entryKey } from './entry-buffer.js'
import { InvalidValueError } from './errors.js'
import type { Acknowledged } from './slots.js'

/** Counts by key, and flushes the sums. Made by {@link WriteBehind.counter}. */
export class Counter extends EntryBuffer<number> {
  /**
   * Adds to a key; a negative `by` takes away. Resolves once it is counted: `'stored'` in Redis, or `'kept'` by this process while
   * Redis is away.
   *
   * @param by a whole number. Default 1
   * @throws `LARDER_WRITE_BEHIND_FULL` or `LARDER_WRITE_BEHIND_UNAVAILABLE`: it was not counted
   * @example await views.increment(product.id)
   */
  increment(key: EntryKey, by: number = 1): Promise<Acknowledged> {
    try {
      if (Number.isSafeInteger(by)) return this.add(entryKey(key), by)
      throw new InvalidValueError(`Expected an increment to be a whole number, got ${String(by)}`)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** What was added to the key, by all processes, and is not flushed yet. */
  async pending(key: EntryKey): Promise<number> {
    return sum(await this.waiting(entryKey(key)))
  }
}

/** Of sums and increments. */
export function sum(values: readonly (number | string)[]): number {
  return values.reduce((total: number, value) => total + Number(value), 0)
}
