import { setTimeout as sleep } from 'node:timers/promises'
import { readEntries } from './batch.js'
import type { Coalesce, Shard } from './store.js'

/** A batch that failed for good. */
export interface DeadLetter<V> {
  readonly id: string
  readonly entries: Map<string, V>
  readonly attempts: number
  /** Name and message of the last error. */
  readonly error: string
  readonly failedAt: Date
}

/** The batches of a counter or queue that failed for good. They stay until they are replayed or discarded. */
export class DeadLetters<V> {
  readonly #shards: readonly Shard[]
  readonly #coalesce: Coalesce

  constructor(shards: readonly Shard[], coalesce: Coalesce) {
    this.#shards = shards
    this.#coalesce = coalesce
  }

  /** All of them, the oldest first. */
  async list(): Promise<DeadLetter<V>[]> {
    const letters = (await Promise.all(this.#shards.map((shard) => shard.letters()))).flat()
    letters.sort((a, b) => a.failedAt - b.failedAt)
    return letters.map(({ id, attempts, error, failedAt, entries }) => ({
      id,
      entries: readEntries(entries, this.#coalesce) as Map<string, V>,
      attempts,
      error,
      failedAt: new Date(failedAt),
    }))
  }

  /**
   * Has it flushed again under its old id, with all its attempts, as the next batch; `flush()` waits for it. `false`: there is no
   * such letter. Waits while another batch of its shard is being flushed.
   */
  async replay(id: string, { signal }: { signal?: AbortSignal } = {}): Promise<boolean> {
    for (const shard of this.#shards) {
      for (;;) {
        const answer = await shard.replay(id)
        if (answer === 'replayed') return true
        if (answer === 'unknown') break
        await sleep(25, undefined, signal && { signal })
      }
    }
    return false
  }

  /** Throws it away. `false`: there is no such letter. */
  async discard(id: string): Promise<boolean> {
    for (const shard of this.#shards) if (await shard.discard(id)) return true
    return false
  }
}
