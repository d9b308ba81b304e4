import { sum } from './counter.js'
import { EntryBuffer, type EntryKey, entryKey, type Workshop } from './entry-buffer.js'
import { InvalidValueError } from './errors.js'
import type { Resolved } from './options.js'
import type { Acknowledged } from './slots.js'
import type { Coalesce } from './store.js'

/**
 * Keeps values by key, and flushes them in order. Made by {@link WriteBehind.queue}.
 *
 * @typeParam V what is put; @typeParam W what a batch has of a key
 */
export class Queue<V, W = V> extends EntryBuffer<W> {
  readonly #coalesce: Coalesce

  constructor(workshop: Workshop, name: string, resolved: Resolved) {
    super(workshop, name, resolved)
    this.#coalesce = resolved.coalesce
  }

  /**
   * Puts a value behind those that the key has. Resolves once it is safe: `'stored'` in Redis, or `'kept'` by this process while Redis
   * is away.
   *
   * @param value anything that JSON can say; with `coalesce: 'sum'` a whole number
   * @throws `LARDER_WRITE_BEHIND_FULL` or `LARDER_WRITE_BEHIND_UNAVAILABLE`: it was not taken
   */
  async put(key: EntryKey, value: V): Promise<Acknowledged> {
    if (this.#coalesce === 'sum') {
      if (!Number.isSafeInteger(value))
        throw new InvalidValueError(`Expected a value to be summed to be a whole number, got ${String(value)}`)
      return this.add(entryKey(key), value as number)
    }
    return this.add(entryKey(key), stringify(value))
  }

  /** What waits under the key, or is being flushed, as a batch would have it: `undefined`, 0 or `[]` when nothing does. */
  async pending(key: EntryKey): Promise<W | undefined> {
    const values = await this.waiting(entryKey(key))
    if (this.#coalesce === 'sum') return sum(values) as W
    const parsed = values.map((json) => JSON.parse(json as string))
    return this.#coalesce === 'all' ? (parsed as W) : parsed.at(-1)
  }
}

function stringify(value: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value)
  } catch (error) {
    throw new InvalidValueError(`Expected a value that JSON can say: ${(error as Error).message}`, { cause: error })
  }
  if (json === undefined) throw new InvalidValueError(`Expected a value that JSON can say, got ${typeof value}`)
  return json
}
