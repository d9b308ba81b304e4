/** Bounds of a {@link Fifo}. */
export interface Bounds {
  readonly maxEntries: number
  readonly maxBytes: number
}

interface Node<T> {
  readonly key: string
  value: T
  bytes: number
  /** Hits since it was last considered for eviction, 3 at most. */
  uses: number
  main: boolean
  newer: Node<T> | undefined
  older: Node<T> | undefined
}

/** A queue from newest to oldest, with its sums. */
class Queue<T> {
  #newest: Node<T> | undefined
  oldest: Node<T> | undefined
  entries = 0
  bytes = 0

  push(node: Node<T>): void {
    node.newer = undefined
    node.older = this.#newest
    if (this.#newest) this.#newest.newer = node
    else this.oldest = node
    this.#newest = node
    this.entries++
    this.bytes += node.bytes
  }

  remove(node: Node<T>): void {
    if (node.newer) node.newer.older = node.older
    else this.#newest = node.older
    if (node.older) node.older.newer = node.newer
    else this.oldest = node.newer
    this.entries--
    this.bytes -= node.bytes
  }
}

/** Share of the bounds that is given to entries that were not asked for a second time. */
const SMALL = 0.1

/**
 * A map bounded by entries and by bytes that a scan does not empty: S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson, "FIFO queues are all
 * you need for cache eviction", SOSP 2023). New keys go through a small queue, and only those asked for again reach the main one;
 * keys that fell out of the small queue are remembered, and enter the main one when they come back. A hit writes one small number.
 */
export class Fifo<T> {
  readonly #bounds: Bounds
  readonly #nodes = new Map<string, Node<T>>()
  readonly #small = new Queue<T>()
  readonly #main = new Queue<T>()
  readonly #ghosts = new Set<string>()
  readonly #onEvict: ((key: string, value: T) => void) | undefined

  constructor(bounds: Bounds, onEvict?: (key: string, value: T) => void) {
    this.#bounds = bounds
    this.#onEvict = onEvict
  }

  get size(): number {
    return this.#nodes.size
  }

  get bytes(): number {
    return this.#small.bytes + this.#main.bytes
  }

  /** The value, counted as a hit. */
  get(key: string): T | undefined {
    const node = this.#nodes.get(key)
    if (node === undefined) return undefined
    if (node.uses < 3) node.uses++
    return node.value
  }

  /** The value, not counted. */
  peek(key: string): T | undefined {
    return this.#nodes.get(key)?.value
  }

  keys(): IterableIterator<string> {
    return this.#nodes.keys()
  }

  /** `bytes`: what the value takes. One that is larger than the bound is not kept. */
  set(key: string, value: T, bytes: number): void {
    const known = this.#nodes.get(key)
    if (known) {
      const queue = known.main ? this.#main : this.#small
      queue.bytes += bytes - known.bytes
      known.bytes = bytes
      known.value = value
    } else {
      const main = this.#ghosts.delete(key)
      const node: Node<T> = { key, value, bytes, uses: 0, main, newer: undefined, older: undefined }
      this.#nodes.set(key, node)
      ;(main ? this.#main : this.#small).push(node)
    }
    while (this.size > this.#bounds.maxEntries || this.bytes > this.#bounds.maxBytes) this.#evict()
  }

  delete(key: string): boolean {
    const node = this.#nodes.get(key)
    if (node === undefined) return false
    this.#nodes.delete(key)
    ;(node.main ? this.#main : this.#small).remove(node)
    return true
  }

  clear(): void {
    for (const key of [...this.#nodes.keys()]) this.delete(key)
    this.#ghosts.clear()
  }

  #evict(): void {
    const small =
      this.#main.entries === 0 ||
      (this.#small.entries > 0 &&
        (this.#small.entries > SMALL * this.#bounds.maxEntries || this.#small.bytes > SMALL * this.#bounds.maxBytes))
    const queue = small ? this.#small : this.#main
    const node = queue.oldest
    if (node === undefined) return
    queue.remove(node)
    if (node.uses > 0) {
      node.uses = small ? 0 : node.uses - 1
      node.main = true
      this.#main.push(node)
      return
    }
    this.#nodes.delete(node.key)
    if (small) this.#remember(node.key)
    this.#onEvict?.(node.key, node.value)
  }

  #remember(key: string): void {
    this.#ghosts.add(key)
    if (this.#ghosts.size > Math.max(this.#nodes.size, 16))
      this.#ghosts.delete(this.#ghosts.values().next().value as string)
  }
}
