import { openSync, readFileSync, writeSync } from 'node:fs'

/** What a process knows of the views of one product: each begun view is stored, kept, refused, or still without an answer. */
export type Entry = {
  begun: number
  stored: number
  /** Acknowledged, and not known to be in Redis: lost with the process. */
  kept: number
  refused: number
}

const FIELDS = ['begun', 'stored', 'kept', 'refused'] as const
const PRODUCTS = 64
/** Behind the entries: how many views were ever kept, and how many attempts to flush failed. */
const TALLIES = 2

/** What a process did, in a file that outlives it. A product's place is its id, of which there are at most 64. */
export class Account {
  readonly #numbers: Float64Array
  readonly #file: number | undefined

  private constructor(numbers: Float64Array, file?: number) {
    this.#numbers = numbers
    this.#file = file
  }

  /** Of this process. */
  static open(path: string): Account {
    return new Account(new Float64Array(PRODUCTS * FIELDS.length + TALLIES), openSync(path, 'w'))
  }

  /** As a process left it; all zeros when it never wrote. */
  static read(path: string): Account {
    const numbers = new Float64Array(PRODUCTS * FIELDS.length + TALLIES)
    const bytes = readFileSync(path)
    Buffer.from(numbers.buffer).set(bytes)
    return new Account(numbers)
  }

  add(place: number, field: keyof Entry, views = 1): void {
    this.#add(place * FIELDS.length + FIELDS.indexOf(field), views)
  }

  /** Redis has all that was kept. */
  settle(): void {
    for (let place = 0; place < PRODUCTS; place++) {
      const { kept } = this.entry(place)
      this.add(place, 'stored', kept)
      this.add(place, 'kept', -kept)
    }
  }

  entry(place: number): Entry {
    const [begun = 0, stored = 0, kept = 0, refused = 0] = this.#numbers.subarray(place * FIELDS.length)
    return { begun, stored, kept, refused }
  }

  get entries(): Entry[] {
    return Array.from({ length: PRODUCTS }, (_, place) => this.entry(place))
  }

  get total(): Entry {
    return this.entries.reduce((sum, entry) => {
      for (const field of FIELDS) sum[field] += entry[field]
      return sum
    })
  }

  tally(what: 'everKept' | 'failed'): void {
    this.#add(PRODUCTS * FIELDS.length + (what === 'failed' ? 1 : 0), 1)
  }

  get tallies(): { everKept: number; failed: number } {
    const [everKept = 0, failed = 0] = this.#numbers.subarray(PRODUCTS * FIELDS.length)
    return { everKept, failed }
  }

  /** Writes it down: once written it survives any death of the process. */
  record(): void {
    if (this.#file !== undefined) writeSync(this.#file, this.#numbers, 0, this.#numbers.byteLength, 0)
  }

  #add(index: number, amount: number): void {
    this.#numbers[index] = (this.#numbers[index] ?? 0) + amount
  }
}
