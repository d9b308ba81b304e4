import type { Coalesce, Entry } from './store.js'

/**
 * What became of an entry: the store has it; or Redis is away and this process keeps it until it is back, and loses it only if it is
 * killed before.
 */
export type Acknowledged = 'stored' | 'kept'

/** Who waits for an entry to be stored. */
export interface Waiter {
  readonly resolve: (acknowledged: Acknowledged) => void
  readonly reject: (error: Error) => void
}

/** An entry, or several of one key merged, that is not in the store yet. */
export interface Slot extends Entry {
  waiters: Waiter[]
  /** It was acknowledged, and must not be refused any more. */
  kept: boolean
  /** When it gives up waiting for room. */
  until: number | undefined
}

/** Entries that are written at once: about a millisecond of the server. */
const FRAME = 500

/** Entries in the order in which they came; of sums and last values one a key. */
export class Slots {
  /** Whether the first ones wait for room. */
  crowded = false
  readonly #coalesce: Coalesce
  readonly #index = new Map<string, Slot>()
  #slots: Slot[] = []

  constructor(coalesce: Coalesce) {
    this.#coalesce = coalesce
  }

  get size(): number {
    return this.#slots.length
  }

  [Symbol.iterator](): Iterator<Slot> {
    return this.#slots[Symbol.iterator]()
  }

  /** Whether an entry of this key would be merged with one that waits. */
  has(key: string): boolean {
    return this.#index.has(key)
  }

  /** Whether the sum stays exact. */
  fits(key: string, value: number | string): boolean {
    return typeof value === 'string' || Number.isSafeInteger(((this.#index.get(key)?.value as number) ?? 0) + value)
  }

  add(key: string, value: number | string): Slot {
    const known = this.#index.get(key)
    if (known) {
      known.value = this.#merge(known.value, value)
      return known
    }
    const slot: Slot = { key, value, waiters: [], kept: false, until: undefined }
    this.#slots.push(slot)
    if (this.#coalesce !== 'all') this.#index.set(key, slot)
    return slot
  }

  /** Takes the next entries to write: acknowledged ones and others apart, since only the others can be refused. */
  frame(): Slot[] {
    const kept = this.#slots[0]?.kept
    let length = 0
    while (length < FRAME && length < this.#slots.length && this.#slots[length]?.kept === kept) length++
    const frame = this.#slots.splice(0, length)
    for (const { key } of frame) this.#index.delete(key)
    return frame
  }

  /** Puts entries back in front. Returns which later ones of the same key were merged into which. */
  putBack(frame: readonly Slot[]): [absorbed: Slot, by: Slot][] {
    const merged: [Slot, Slot][] = []
    for (const slot of frame) {
      const later = this.#index.get(slot.key)
      if (later) {
        slot.value = this.#merge(slot.value, later.value)
        slot.waiters.push(...later.waiters)
        slot.kept ||= later.kept
        merged.push([later, slot])
      }
      if (this.#coalesce !== 'all') this.#index.set(slot.key, slot)
    }
    const absorbed = new Set(merged.map(([later]) => later))
    this.#slots = [...frame, ...this.#slots.filter((slot) => !absorbed.has(slot))]
    return merged
  }

  /** Keeps at most so many, and those that must be; removes and returns the others. */
  keep(most: number, acknowledge: (slot: Slot) => void): Slot[] {
    const over: Slot[] = []
    const kept: Slot[] = []
    for (const slot of this.#slots) {
      if (slot.kept || kept.length < most) {
        acknowledge(slot)
        kept.push(slot)
      } else {
        this.#index.delete(slot.key)
        over.push(slot)
      }
    }
    this.#slots = kept
    return over
  }

  /** Removes and returns all. */
  clear(): Slot[] {
    this.#index.clear()
    return this.#slots.splice(0)
  }

  #merge(old: number | string, value: number | string): number | string {
    return this.#coalesce === 'sum' ? (old as number) + (value as number) : value
  }
}
