import type { Coalesce, RawBatch } from './store.js'

/** What is written to the database at once. */
export interface Batch<V> {
  /**
   * The same over all attempts, also those of other processes, and never given to another batch. Recorded in the transaction that
   * writes the entries, it makes them count exactly once: a batch that is found recorded was written before.
   */
  readonly id: string
  /** By key: the sum; the last value; or with `coalesce: 'all'` all values, in order. */
  readonly entries: Map<string, V>
  /** 1 at the first attempt. */
  readonly attempt: number
  /** Grows with each attempt of a shard, whoever makes it. */
  readonly fencingToken: bigint
  /** Aborts when the attempt took too long, others may have taken over, or the application closes: then write no more. */
  readonly signal: AbortSignal
  /** The counter or queue. */
  readonly name: string
  readonly shard: number
}

/** Writes a batch to the database; resolves when it is committed. What it rejects with makes it be tried again. */
export type Flush<V> = (batch: Batch<V>) => unknown

/** The keys and values of entries as a store has them. Sums of zero are left out. */
export function readEntries(raw: readonly string[], coalesce: Coalesce): Map<string, unknown> {
  const entries = new Map<string, unknown>()
  if (coalesce === 'all') {
    for (const text of raw) {
      const [key, value] = JSON.parse(text) as [string, unknown]
      const values = entries.get(key) as unknown[] | undefined
      if (values) values.push(value)
      else entries.set(key, [value])
    }
    return entries
  }
  for (let i = 0; i < raw.length; i += 2) {
    const value: unknown = JSON.parse(raw[i + 1] as string)
    if (coalesce === 'last' || value !== 0) entries.set(raw[i] as string, value)
  }
  return entries
}

/** How many entries a batch has: keys, or with `coalesce: 'all'` values. */
export function countEntries({ entries }: RawBatch, coalesce: Coalesce): number {
  return coalesce === 'all' ? entries.length : entries.length / 2
}
