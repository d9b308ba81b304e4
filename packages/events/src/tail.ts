import { compareIds } from './entry-id.js'
import type { Entry, EventStore, Page } from './store.js'

/** Entries kept for those who read on, and bytes that they may take. */
const ENTRIES = 1_000
const BYTES = 4_194_304

/**
 * The end of a stream, as all readers of this process share it: the newest entries, heard once and kept for a while. Who is slower
 * than that reads from the store again, so that no reader costs memory by being slow.
 */
export class Tail {
  readonly #store: EventStore
  readonly #stream: string
  readonly #pages = new Map<string, Promise<Page>>()
  readonly #waiting = new Set<() => void>()
  #end: (() => void) | undefined
  #entries: Entry[] = []
  #bytes = 0
  /** Everything after this place is in {@link #entries}. */
  #from: string | undefined
  /** Counts news. */
  version = 0

  constructor(store: EventStore, stream: string) {
    this.#store = store
    this.#stream = stream
  }

  /** Entries after a place; `undefined` for a place that is not among those kept, or beyond the end. */
  after(position: string): readonly Entry[] | undefined {
    // In memory this brings what is there at once, and perhaps more than is kept.
    const from = this.#from ?? this.#follow(position)
    const entries = this.#entries
    if (compareIds(position, from) < 0) return undefined
    if (compareIds(position, entries.at(-1)?.id ?? from) > 0) return undefined
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareIds((entries[middle] as Entry).id, position) <= 0) low = middle + 1
      else high = middle
    }
    return entries.slice(low)
  }

  /**
   * Entries after a place, from the store; asked once for all who are there and know of the same news. Who joined an older question
   * would take its answer for the end, and wait for news that had come already.
   */
  page(position: string, count: number): Promise<Page> {
    const question = `${this.version} ${position}`
    const known = this.#pages.get(question)
    if (known) return known
    const page = this.#store.page(this.#stream, position, count).finally(() => this.#pages.delete(question))
    this.#pages.set(question, page)
    return page
  }

  /** Resolves when there are news after `version`, or the signal is aborted. */
  async changed(version: number, signal: AbortSignal): Promise<void> {
    if (version !== this.version || signal.aborted) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }

  close(): void {
    this.#end?.()
    this.#end = undefined
  }

  /** Begins to hear; the place after which everything is kept. */
  #follow(position: string): string {
    this.#from = position
    this.#end = this.#store.follow(this.#stream, position, {
      added: (entries, intact) => {
        const [first] = entries
        // Who stands before the hole must ask the store, which tells that something is missing.
        if (!intact && first) this.#forget(first.id)
        for (const entry of entries) this.#keep(entry)
        this.#wake()
      },
      rewound: (newest) => {
        this.#forget(newest)
        this.#wake()
      },
    })
    return this.#from
  }

  #keep(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += entry.parcel.size
    if (this.#entries.length <= ENTRIES && this.#bytes <= BYTES) return
    // Half of them at once: to take one after the other from the front would cost each time.
    const dropped = this.#entries.splice(0, Math.ceil(this.#entries.length / 2))
    for (const { parcel } of dropped) this.#bytes -= parcel.size
    this.#from = dropped.at(-1)?.id
  }

  #forget(from: string): void {
    this.#entries = []
    this.#bytes = 0
    this.#from = from
  }

  #wake(): void {
    this.version++
    for (const done of [...this.#waiting]) done()
  }
}

/** The tails of all streams that somebody reads. */
export class Tails {
  readonly #store: EventStore
  readonly #tails = new Map<string, { tail: Tail; users: number }>()

  constructor(store: EventStore) {
    this.#store = store
  }

  /** The tail of a stream; each user calls the end of it once. */
  acquire(stream: string): { tail: Tail; release: () => void } {
    let shared = this.#tails.get(stream)
    if (!shared) {
      shared = { tail: new Tail(this.#store, stream), users: 0 }
      this.#tails.set(stream, shared)
    }
    const { tail } = shared
    const used = shared
    used.users++
    let released = false
    const release = (): void => {
      if (released) return
      released = true
      if (--used.users > 0) return
      this.#tails.delete(stream)
      tail.close()
    }
    return { tail, release }
  }
}
