import type { WriteBehindEvent } from '@larder/write-behind'
import type { Book } from './book.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'

/** One counter or queue, as `metrics.snapshot()` tells of it: entries, but where it says batches. */
export interface QueueSnapshot {
  /** What Redis took. */
  readonly stored: number
  /** What this process kept while Redis was away. */
  readonly kept: number
  /** What was not taken: no room, or Redis away. */
  readonly refused: number
  /** What was taken, and never reached Redis. */
  readonly lost: number
  readonly flushed: number
  /** Attempts to flush a batch that failed. */
  readonly failures: number
  /** Batches that failed for good. */
  readonly dead: number
  /** What waits in Redis, as last heard. */
  readonly waiting: number | undefined
  /** What this process has not brought to Redis yet. */
  readonly unsent: number | undefined
}

/** What counters and queues tell. */
export class WriteBehinds implements Recorder {
  readonly #book: Book
  readonly #end: () => void
  readonly #entries
  readonly #flushes

  constructor(book: Book) {
    this.#book = book
    this.#entries = book.counter(SERIES.queueEntries)
    this.#flushes = book.distribution(SERIES.queueFlushes)
    book.stateGauge(SERIES.queueLength, 'write-behind', 'waiting')
    book.stateGauge(SERIES.queueUnsent, 'write-behind', 'unsent')
    this.#end = hear<WriteBehindEvent>(book, 'write-behind', (event) => this.#on(event))
  }

  /** By registration, and by counter or queue. */
  snapshot(): Record<string, Record<string, QueueSnapshot>> {
    const registrations: Record<string, Record<string, QueueSnapshot>> = {}
    for (const { name, part, values } of this.#book.states('write-behind')) {
      if (part === undefined) continue
      const queues = registrations[name] ?? {}
      registrations[name] = queues
      const count = (outcome: string) => this.#entries.cell(name, part, outcome).value
      queues[part] = {
        stored: count('stored'),
        kept: count('kept'),
        refused: count('full') + count('unavailable'),
        lost: count('lost'),
        flushed: count('flushed'),
        failures: this.#flushes.cell(name, part, 'failed').count + this.#flushes.cell(name, part, 'dead').count,
        dead: this.#flushes.cell(name, part, 'dead').count,
        waiting: values.waiting,
        unsent: values.unsent,
      }
    }
    return registrations
  }

  open(name: string, queue?: string): void {
    if (queue === undefined) return
    for (const family of [this.#entries, this.#flushes]) family.open(name, queue)
  }

  close(): void {
    this.#end()
  }

  #on(event: WriteBehindEvent): void {
    const { writeBehind, name, type, entries } = event
    const outcome = type === 'refused' ? event.reason : type
    if (outcome !== 'failed') this.#entries.cell(writeBehind, name, outcome).add(entries)
    if (type === 'flushed' || type === 'failed' || type === 'dead')
      this.#flushes.cell(writeBehind, name, type).add(event.took / 1_000)
  }
}
