import { crc32 } from 'node:zlib'
import { InvalidKeyError, type Key, type Log, logicalKey } from '@larder/core'
import { type WriteBehindEvent, type WriteBehindNews, writeBehindChannel } from './channel.js'
import { DeadLetters } from './dead-letters.js'
import { TimeoutError } from './errors.js'
import { Flusher } from './flusher.js'
import type { Resolved } from './options.js'
import { Outbox } from './outbox.js'
import type { Acknowledged } from './slots.js'
import type { Shard, Store } from './store.js'

/** What an entry is put under: a {@link Key} of at most 200 bytes, or a number. Batches have it as a string. */
export type EntryKey = Key | number | bigint

/** Options of {@link WriteBehind} barriers. */
export interface FlushOptions {
  /** Ends the wait; what waits is flushed all the same. */
  signal?: AbortSignal
  /** Milliseconds after which it rejects with `LARDER_WRITE_BEHIND_TIMEOUT`. Default: no limit. */
  timeout?: number
}

/** What counters and queues are made with. */
export interface Workshop {
  readonly store: Store
  /** The application, in events. */
  readonly app: object
  /** The registration, in events. */
  readonly writeBehind: string
  readonly log: Log
}

interface Lane {
  readonly shard: Shard
  readonly outbox: Outbox
  readonly flusher: Flusher
  readonly news: (news: WriteBehindNews) => void
  /** Entries that wait in the store besides the batch that is being flushed, as last heard. */
  waiting: number
}

/** What counters and queues have in common: entries wait in shards, and are flushed shard by shard. */
export class EntryBuffer<V> {
  readonly name: string
  /** Batches that failed for good. */
  readonly deadLetters: DeadLetters<V>
  readonly #lanes: Lane[]
  readonly #log: Log
  readonly #flushes: boolean

  constructor(workshop: Workshop, name: string, { settings, coalesce, flush }: Resolved) {
    this.name = name
    this.#log = workshop.log
    this.#flushes = flush !== false
    const { every, lease, shards, maxPending } = settings
    const half = maxPending / shards / 2
    this.#lanes = Array.from({ length: shards }, (_, number) => {
      const shard = workshop.store.shard({ name, shard: number, coalesce, every, lease })
      const news = (event: WriteBehindNews): void => {
        if (!writeBehindChannel.hasSubscribers) return
        const { app, writeBehind } = workshop
        writeBehindChannel.publish({ app, writeBehind, name, shard: number, ...event } as WriteBehindEvent)
      }
      const warn = workshop.log.warn.bind(workshop.log)
      const emptied = (): void => {
        lane.waiting = 0
      }
      const flusher = new Flusher({ name, shardNumber: number, shard, coalesce, settings, flush, news, emptied, warn })
      const stored = (size: number | undefined): void => {
        lane.waiting = size ?? lane.waiting
        flusher.wake()
        if (size !== undefined && size >= half) flusher.hurry()
      }
      const outbox = new Outbox(name, shard, coalesce, settings, { news, stored })
      const lane: Lane = { shard, flusher, news, outbox, waiting: 0 }
      return lane
    })
    this.deadLetters = new DeadLetters(
      this.#lanes.map(({ shard }) => shard),
      coalesce,
    )
  }

  /** How many entries of this process are not in the store yet. */
  get unsent(): number {
    return this.#lanes.reduce((sum, { outbox }) => sum + outbox.size, 0)
  }

  /**
   * `unsent`: entries of this process that are not in the store yet; `waiting`: those in the store, besides the batch that is being
   * flushed, as last heard, where this process looks.
   */
  get state(): Readonly<Record<string, number>> {
    const { unsent } = this
    return this.#flushes ? { unsent, waiting: this.#lanes.reduce((sum, { waiting }) => sum + waiting, 0) } : { unsent }
  }

  /**
   * Resolves when everything that was acknowledged before, by any process, has been flushed.
   *
   * @throws `LARDER_WRITE_BEHIND_TIMEOUT`, `LARDER_WRITE_BEHIND_UNAVAILABLE`, or `LARDER_WRITE_BEHIND_DEAD_LETTER` when a batch of it
   *   failed for good
   */
  async flush(options?: FlushOptions): Promise<void> {
    await this.#each(options, async ({ outbox, flusher }, until) => {
      await outbox.drain(until)
      await flusher.barrier(until)
    })
  }

  /** Flushes what waits, at most so many milliseconds, and ends. What is not flushed stays in Redis. */
  async close(limit: number): Promise<void> {
    const last = this.#flushes
      ? this.flush({ timeout: limit })
      : this.#each({ timeout: limit }, ({ outbox }, until) => outbox.drain(until))
    await last.catch((err) =>
      this.#log.warn({ err, name: this.name }, 'larder: not all entries were flushed at the end'),
    )
    for (const { flusher, outbox, shard, news } of this.#lanes) {
      await flusher.close()
      const entries = outbox.close()
      shard.close()
      if (entries === 0) continue
      news({ type: 'lost', entries })
      this.#log.warn({ name: this.name, entries }, 'larder: entries that Redis never took are lost')
    }
  }

  async #each(
    { signal, timeout }: FlushOptions = {},
    work: (lane: Lane, until: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const ends = new AbortController()
    const limit = timeout ?? Number.POSITIVE_INFINITY
    const timer = limit < 2 ** 31 ? setTimeout(() => ends.abort(new TimeoutError(this.name, limit)), limit) : undefined
    const until = signal ? AbortSignal.any([signal, ends.signal]) : ends.signal
    try {
      until.throwIfAborted()
      await Promise.all(this.#lanes.map((lane) => work(lane, until)))
    } finally {
      clearTimeout(timer)
    }
  }

  protected add(key: string, value: number | string): Promise<Acknowledged> {
    return this.#lane(key).outbox.add(key, value)
  }

  /** What waits under a key, is being flushed, or is on its way, oldest first. */
  protected async waiting(key: string): Promise<(number | string)[]> {
    const { shard, outbox } = this.#lane(key)
    const unsent = outbox.unsent(key)
    return [...(await shard.read(key)), ...unsent]
  }

  #lane(key: string): Lane {
    const { length } = this.#lanes
    return this.#lanes[length === 1 ? 0 : crc32(key) % length] as Lane
  }
}

/** The key as batches have it. Throws `LARDER_INVALID_KEY`, also for what is longer than 200 bytes: a hash would not come back. */
export function entryKey(key: EntryKey): string {
  if (typeof key === 'number' || typeof key === 'bigint') return String(key)
  const logical = logicalKey(key)
  if (logical.charCodeAt(0) === 0)
    throw new InvalidKeyError('Expected a key of at most 200 bytes of well-formed Unicode')
  return logical
}
