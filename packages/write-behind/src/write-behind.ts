import { logicalKey } from '@larder/core'
import { Counter } from './counter.js'
import type { EntryBuffer, FlushOptions, Workshop } from './entry-buffer.js'
import { NameTakenError } from './errors.js'
import { type CounterOptions, type QueueOptions, resolveCounter, resolveQueue, type Settings } from './options.js'
import { Queue } from './queue.js'

/** What `fastify.writeBehind` is. */
export class WriteBehind {
  readonly #workshop: Workshop
  readonly #defaults: Settings
  readonly #buffers = new Map<string, Pick<EntryBuffer<unknown>, 'name' | 'flush' | 'close' | 'state'>>()

  constructor(workshop: Workshop, defaults: Settings) {
    this.#workshop = workshop
    this.#defaults = defaults
  }

  /**
   * A counter: what is added to a key is summed up, and the sums are flushed in batches.
   *
   * @throws `LARDER_INVALID_OPTION`; `LARDER_WRITE_BEHIND_NAME_TAKEN`
   */
  counter(name: string, options: CounterOptions): Counter {
    return this.#keep(name, () => new Counter(this.#workshop, name, resolveCounter(options, this.#defaults)))
  }

  /**
   * A queue: values are kept by key and flushed in batches, in order per key. A batch has all values of a key; with
   * `coalesce: 'last'` only the last one, with `'sum'` their sum.
   *
   * @throws `LARDER_INVALID_OPTION`; `LARDER_WRITE_BEHIND_NAME_TAKEN`
   */
  queue(name: string, options: QueueOptions<number> & { coalesce: 'sum' }): Queue<number>
  queue<V>(name: string, options: QueueOptions<V> & { coalesce: 'last' }): Queue<V>
  queue<V>(name: string, options: QueueOptions<V[]> & { coalesce?: 'all' }): Queue<V, V[]>
  queue(name: string, options: unknown): Queue<never, never> {
    return this.#keep(name, () => new Queue(this.#workshop, name, resolveQueue(options, this.#defaults)))
  }

  /** @internal How much waits, by counter and queue. */
  get states(): { part: string; values: Readonly<Record<string, number>> }[] {
    return [...this.#buffers.values()].map(({ name, state }) => ({ part: name, values: state }))
  }

  /** Flushes every counter and queue: see {@link Counter.flush}. */
  async flush(options?: FlushOptions): Promise<void> {
    await Promise.all([...this.#buffers.values()].map((buffer) => buffer.flush(options)))
  }

  /** Flushes what waits, at most so many milliseconds, and ends. */
  async close(limit: number): Promise<void> {
    await Promise.all([...this.#buffers.values()].map((buffer) => buffer.close(limit)))
  }

  #keep<B extends Pick<EntryBuffer<unknown>, 'name' | 'flush' | 'close' | 'state'>>(name: string, make: () => B): B {
    if (this.#buffers.has(logicalKey(name))) throw new NameTakenError(name)
    const buffer = make()
    this.#buffers.set(logicalKey(name), buffer)
    return buffer
  }
}
