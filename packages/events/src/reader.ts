import { keyPrefixOf, type RedisClient } from '@larder/core'
import type { Redis } from 'ioredis'
import { readEntries } from './entries.js'
import { compareIds, START } from './entry-id.js'
import type { TailListener } from './store.js'
import { isMoved, nodeOf, refreshSlots, unblock } from './topology.js'
import { Wire } from './wire.js'

/** Options of a {@link Reader}. */
export interface ReaderOptions {
  readonly client: RedisClient
  /** Of its streams: XREAD takes streams of one slot. */
  readonly slot: number
  /** Milliseconds after which a connection that does not answer is replaced. */
  readonly heartbeat: number
}

/** A stream, as far as it was read. */
interface Place {
  last: string
  readonly listener: TailListener
}

/** Entries of a stream that one question brings at most. */
const COUNT = 256
const RETRY = 100

/** The one connection over which this process waits for new entries of all streams of a slot that somebody reads. */
export class Reader {
  readonly #options: ReaderOptions
  readonly #places = new Map<string, Place>()
  #wire: Wire | undefined
  #node: Redis | undefined
  #connection: number | undefined
  #asking = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /** Hears of entries of a stream after a place; returns the end of it. */
  follow(stream: string, after: string, listener: TailListener): () => void {
    const place = { last: after, listener }
    this.#places.set(stream, place)
    // A question that waits knows nothing of this stream.
    if (this.#asking) unblock(this.#node, this.#connection)
    else void this.#ask()
    return () => {
      if (this.#places.get(stream) === place) this.#places.delete(stream)
      if (this.#places.size === 0) this.close()
    }
  }

  /** Whether nobody reads. */
  get idle(): boolean {
    return this.#places.size === 0
  }

  close(): void {
    this.#places.clear()
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wire?.close()
    this.#wire = undefined
    this.#node = undefined
  }

  /** Asks for as long as there is a connection and somebody reads. */
  async #ask(): Promise<void> {
    if (this.#asking || this.#places.size === 0) return
    const wire = this.#connect()
    if (!wire?.ready) return
    this.#asking = true
    try {
      this.#connection ??= await wire.ask(this.#options.heartbeat, (redis) => redis.client('ID'))
      while (wire === this.#wire && wire.ready && this.#places.size > 0) await this.#round(wire)
    } catch (error) {
      if (isMoved(error)) {
        refreshSlots(this.#options.client)
        this.#wire?.close()
        this.#wire = undefined
        this.#node = undefined
      }
      // An error of one stream, such as a key that is none, must not become a storm.
      this.#later()
    } finally {
      this.#asking = false
    }
    if (this.#wire !== wire) void this.#ask()
  }

  async #round(wire: Wire): Promise<void> {
    const { client, heartbeat } = this.#options
    const prefix = keyPrefixOf(client)
    const streams = [...this.#places.keys()]
    const keys = streams.map((stream) => prefix + stream)
    const places = streams.map((stream) => this.#places.get(stream) as Place)
    const lasts = places.map(({ last }) => last)
    const block = Math.ceil(heartbeat / 2)
    // Asked after the new entries: where an entry that is not newer than the last one is still there, nothing after it was trimmed.
    const [news, ...others] = await wire.ask(heartbeat, (redis) =>
      Promise.all([
        redis.call('XREAD', 'COUNT', COUNT, 'BLOCK', block, 'STREAMS', ...keys, ...lasts),
        ...keys.map((key, i) => redis.call('XRANGE', key, '-', lasts[i] as string, 'COUNT', 1)),
      ]),
    )
    const added = new Map((news as [string, unknown][] | null) ?? [])
    for (const [i, place] of places.entries()) {
      const stream = streams[i] as string
      if (this.#places.get(stream) !== place) continue
      const entries = readEntries(added.get(keys[i] as string))
      const intact = place.last === START || readEntries(others[i]).length > 0
      if (entries.length > 0) {
        place.last = (entries.at(-1) as { id: string }).id
        place.listener.added(entries, intact)
      } else await this.#verify(wire, keys[i] as string, place)
    }
  }

  /** A failover or a flush may have taken away what was read: the next entries may come before it. */
  async #verify(wire: Wire, key: string, place: Place): Promise<void> {
    if (place.last === START) return
    const { last } = place
    const { heartbeat } = this.#options
    const reply = await wire.ask(heartbeat, (redis) => redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1))
    const [entry] = readEntries(reply)
    const newest = entry?.id ?? START
    if (place.last !== last || compareIds(newest, last) >= 0) return
    place.last = newest
    place.listener.rewound(newest)
  }

  #connect(): Wire | undefined {
    const node = nodeOf(this.#options.client, this.#options.slot)
    if (node && node === this.#node) return this.#wire
    this.#wire?.close()
    this.#wire = undefined
    this.#node = node
    this.#connection = undefined
    if (!node) {
      this.#later()
      return undefined
    }
    const wire: Wire = new Wire({
      node,
      name: 'larder-events-reader',
      protocol: 2,
      limit: this.#options.heartbeat,
      onReady: () => {
        this.#connection = undefined
        void this.#ask()
      },
      onLost: () => {
        this.#connection = undefined
        refreshSlots(this.#options.client)
        // On Cluster another node may have the slot now.
        this.#later()
      },
    })
    this.#wire = wire
    return wire
  }

  #later(): void {
    if (this.#places.size === 0) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.#ask()
    }, RETRY).unref()
  }
}
