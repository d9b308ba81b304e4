/** Keys remembered while reads are out; more turn into a fence for all reads that are out. */
const MAX_KEYS = 1_000

/**
 * Tells whether a key changed while it was being read. A reply may carry the old value although the change was heard before it
 * arrived, since the feed is a connection of its own; such a read is good for its caller and must not be kept.
 */
export class Fence {
  #now = 0
  #floor = 0
  #out = 0
  readonly #heard = new Map<string, number>()

  /** A read is about to be sent. Hand the mark to {@link end}, always. */
  begin(): number {
    this.#out++
    return this.#now
  }

  /** The reads are done: releases what was remembered for them. */
  end(): void {
    if (--this.#out > 0) return
    this.#heard.clear()
  }

  /** Whether nothing was heard of the key since the mark was taken. Ask before {@link end}. */
  clear(key: string, mark: number): boolean {
    return mark >= this.#floor && (this.#heard.get(key) ?? 0) <= mark
  }

  /** The key changed. */
  heard(key: string): void {
    if (this.#out === 0) return
    this.#now++
    if (this.#heard.size >= MAX_KEYS) this.heardAll()
    else this.#heard.set(key, this.#now)
  }

  /** Anything may have changed. */
  heardAll(): void {
    this.#now++
    this.#floor = this.#now
    this.#heard.clear()
  }
}
