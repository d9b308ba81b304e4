/** A member with its score, and what breaks a tie: the lower, the better. */
export interface Entry {
  readonly member: string
  readonly score: number
  readonly order: number
}

/** Entries of a chunk at most. */
const CHUNK = 1024

/**
 * Entries by rank, in chunks, so that a change moves few of them: at a million, finding, ranking and changing one costs some
 * microseconds.
 */
export class RankedList {
  readonly #chunks: Entry[][] = [[]]

  /** Puts an entry where it belongs. */
  add(entry: Entry): void {
    const which = this.#chunkOf(entry)
    const chunk = this.#chunks[which] as Entry[]
    chunk.splice(position(chunk, entry), 0, entry)
    if (chunk.length > CHUNK) this.#chunks.splice(which + 1, 0, chunk.splice(CHUNK / 2))
  }

  /** Takes an entry out that is in it. */
  delete(entry: Entry): void {
    const which = this.#chunkOf(entry)
    const chunk = this.#chunks[which] as Entry[]
    chunk.splice(position(chunk, entry), 1)
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(which, 1)
  }

  /** How many are before an entry that is in it. */
  indexOf(entry: Entry): number {
    const which = this.#chunkOf(entry)
    let before = 0
    for (let i = 0; i < which; i++) before += (this.#chunks[i] as Entry[]).length
    return before + position(this.#chunks[which] as Entry[], entry)
  }

  /** So many entries from an index on. */
  slice(start: number, count: number): Entry[] {
    const found: Entry[] = []
    let skip = start
    for (const chunk of this.#chunks) {
      if (found.length >= count) break
      if (skip < chunk.length) found.push(...chunk.slice(skip, skip + count - found.length))
      skip = Math.max(0, skip - chunk.length)
    }
    return found
  }

  /** The first chunk that does not end before the entry, else the last. */
  #chunkOf(entry: Entry): number {
    const last = this.#chunks.length - 1
    return bisect(last, (i) => isBefore((this.#chunks[i] as Entry[]).at(-1) as Entry, entry))
  }
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.score === other.score ? one.order < other.order : one.score > other.score
}

/** Where an entry is in a chunk, or belongs. */
function position(chunk: readonly Entry[], entry: Entry): number {
  return bisect(chunk.length, (i) => isBefore(chunk[i] as Entry, entry))
}

/** The first index, up to `end`, of which `before` is not true. */
function bisect(end: number, before: (index: number) => boolean): number {
  let low = 0
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (before(middle)) low = middle + 1
    else high = middle
  }
  return low
}
