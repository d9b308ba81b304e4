/** Bounds of a {@link Fifo}. */
export interface Bounds {
  readonly maxEntries: number
  readonly maxBytes: number
}

/** What a {@link Fifo} holds: the item itself, so that a hit looks at one object. An item is in one Fifo at most. */
export abstract class Item {
  /** Hits since it was last considered for eviction, 3 at most. */
  uses = 0
  key = ''
  size = 0
  main = false
  newer: this | undefined = undefined
  older: this | undefined = undefined
}

/** A queue from newest to oldest, with its sums. */
class Queue<T extends Item> {
  #newest: T | undefined
  oldest: T | undefined
  entries = 0
  size = 0

  push(item: T): void {
    item.newer = undefined
    item.older = this.#newest
    if (this.#newest) this.#newest.newer = item
    else this.oldest = item
    this.#newest = item
    this.entries++
    this.size += item.size
  }

  remove(item: T): void {
    if (item.newer) item.newer.older = item.older
    else this.#newest = item.older
    if (item.older) item.older.newer = item.newer
    else this.oldest = item.newer
    this.entries--
    this.size -= item.size
  }
}

/** Share of the bounds that is given to entries that were not asked for a second time. */
const SMALL = 0.1

/**
 * A map bounded by entries and by bytes that a scan does not empty: S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson, "FIFO queues are all
 * you need for cache eviction", SOSP 2023). New keys go through a small queue, and only those asked for again reach the main one;
 * keys that fell out of the small queue are remembered, and enter the main one when they come back. A hit writes one small number.
 */
export class Fifo<T extends Item> {
  readonly #bounds: Bounds
  readonly #items = new Map<string, T>()
  readonly #small = new Queue<T>()
  readonly #main = new Queue<T>()
  readonly #ghosts = new Set<string>()
  readonly #onEvict: ((item: T) => void) | undefined

  constructor(bounds: Bounds, onEvict?: (item: T) => void) {
    this.#bounds = bounds
    this.#onEvict = onEvict
  }

  /** How many items there are. */
  get entries(): number {
    return this.#items.size
  }

  /** What they take. */
  get bytes(): number {
    return this.#small.size + this.#main.size
  }

  /** The item, counted as a hit. */
  get(key: string): T | undefined {
    const item = this.#items.get(key)
    if (item !== undefined && item.uses < 3) item.uses++
    return item
  }

  /** The item, not counted. */
  peek(key: string): T | undefined {
    return this.#items.get(key)
  }

  keys(): IterableIterator<string> {
    return this.#items.keys()
  }

  /** Puts an item in, instead of the one of this key. `size`: the bytes that it takes; a larger one than the bound is not kept. */
  set(key: string, item: T, size: number): void {
    const known = this.#items.get(key)
    // It would drive out all others before it went itself.
    if (size > this.#bounds.maxBytes) {
      this.delete(key)
      return
    }
    if (known) this.#queue(known).remove(known)
    item.key = key
    item.size = size
    item.uses = known?.uses ?? 0
    item.main = known?.main ?? this.#ghosts.delete(key)
    this.#items.set(key, item)
    this.#queue(item).push(item)
    while (this.entries > this.#bounds.maxEntries || this.bytes > this.#bounds.maxBytes) this.#evict()
  }

  delete(key: string): boolean {
    const item = this.#items.get(key)
    if (item === undefined) return false
    this.#items.delete(key)
    this.#queue(item).remove(item)
    return true
  }

  clear(): void {
    for (const key of [...this.#items.keys()]) this.delete(key)
    this.#ghosts.clear()
  }

  #queue(item: T): Queue<T> {
    return item.main ? this.#main : this.#small
  }

  #evict(): void {
    const { maxEntries, maxBytes } = this.#bounds
    const full = this.#small.entries > SMALL * maxEntries || this.#small.size > SMALL * maxBytes
    const small = this.#main.entries === 0 || (this.#small.entries > 0 && full)
    const queue = small ? this.#small : this.#main
    const item = queue.oldest
    if (item === undefined) return
    queue.remove(item)
    if (item.uses > 0) {
      item.uses = small ? 0 : item.uses - 1
      item.main = true
      this.#main.push(item)
      return
    }
    this.#items.delete(item.key)
    if (small) this.#remember(item.key)
    this.#onEvict?.(item)
  }

  #remember(key: string): void {
    this.#ghosts.add(key)
    if (this.#ghosts.size > Math.max(this.entries, 16))
      this.#ghosts.delete(this.#ghosts.values().next().value as string)
  }
}
