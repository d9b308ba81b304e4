import type { Namespace } from '@larder/core'
import { decodeSlot, expired } from './envelope.js'
import { type Bounds, Fifo, Item } from './fifo.js'
import type { Grant, Store } from './store.js'

/** What a slot or a lease holds, until a time of the clock. */
class Held extends Item {
  bytes: Buffer
  until: number

  constructor(bytes: Buffer, until: number) {
    super()
    this.bytes = bytes
    this.until = until
  }
}

const stores = new WeakMap<Namespace, MemoryStore>()

/** The slots of a cache in the memory of this process; bounded, so entries may go before their time. */
export class MemoryStore implements Store {
  readonly #namespace: Namespace
  readonly #slots: Fifo<Held>
  readonly #leases = new Map<string, Held>()

  /** The store that all caches of this namespace share; the bounds of the first count. */
  static of(namespace: Namespace, bounds: Bounds): MemoryStore {
    const store = stores.get(namespace) ?? new MemoryStore(namespace, bounds)
    stores.set(namespace, store)
    return store
  }

  private constructor(namespace: Namespace, bounds: Bounds) {
    this.#namespace = namespace
    this.#slots = new Fifo(bounds)
  }

  get up(): boolean {
    return true
  }

  async alive(): Promise<void> {}

  async read(key: string): Promise<Buffer | null> {
    return this.#slot(key)
  }

  async readMany(keys: readonly string[]): Promise<(Buffer | null)[]> {
    return keys.map((key) => this.#slot(key))
  }

  async lease(key: string, placeholder: Buffer, limit: number, refuse: Buffer | undefined): Promise<Grant> {
    const bytes = this.#slot(key)
    const slot = decodeSlot(bytes)
    if (slot.state === 'placeholder') {
      const until = this.#slots.peek(key)?.until ?? 0
      return { state: 'refused', wait: Math.max(until - this.#namespace.clock.now(), 1) }
    }
    if (slot.state === 'entry' && bytes && !(refuse && slot.envelope.id.equals(refuse)))
      return { state: 'stored', bytes }
    this.#write(key, placeholder, limit)
    return { state: 'granted' }
  }

  async leaseRefresh(key: string, token: Buffer, limit: number, steal: boolean): Promise<boolean> {
    if (!steal && this.#lease(key)) return false
    this.#leases.set(key, new Held(token, this.#namespace.clock.now() + limit))
    return true
  }

  async fill(key: string, token: Buffer, refreshed: Buffer | undefined, bytes: Buffer, life: number): Promise<boolean> {
    const held = this.#slot(key)
    if (refreshed) {
      if (!this.#lease(key)?.equals(token)) return false
      this.#leases.delete(key)
      const slot = decodeSlot(held)
      if (slot.state !== 'entry' || !slot.envelope.id.equals(refreshed)) return false
    } else if (!held?.equals(token)) return false
    this.#write(key, bytes, life)
    return true
  }

  async release(key: string, token: Buffer): Promise<void> {
    if (this.#slot(key)?.equals(token)) this.#slots.delete(key)
    else if (this.#lease(key)?.equals(token)) this.#leases.delete(key)
    else return
    this.#tell(key)
  }

  async renew(key: string, token: Buffer, limit: number, refresh: boolean): Promise<boolean> {
    const held = refresh ? this.#leases.get(key) : this.#slots.peek(key)
    if (!held?.bytes.equals(token)) return false
    held.until = this.#namespace.clock.now() + limit
    return true
  }

  async put(key: string, bytes: Buffer, life: number): Promise<void> {
    this.#leases.delete(key)
    this.#write(key, bytes, life)
  }

  async commit(key: string, ticket: Buffer, bytes: Buffer, life: number): Promise<boolean> {
    const mine = this.#slot(key)?.equals(ticket) === true
    this.#leases.delete(key)
    if (mine) this.#write(key, bytes, life)
    else await this.remove(key)
    return mine
  }

  async remove(key: string): Promise<void> {
    this.#leases.delete(key)
    this.#slots.delete(key)
    this.#tell(key)
  }

  async expire(key: string): Promise<void> {
    this.#leases.delete(key)
    const held = this.#slots.peek(key)
    const slot = decodeSlot(this.#slot(key))
    if (slot.state === 'entry' && held) {
      held.bytes = expired(slot.envelope)
    } else this.#slots.delete(key)
    this.#tell(key)
  }

  async removeMatching(_pattern: string, matches: (key: string) => boolean): Promise<number> {
    const keys = [...this.#slots.keys()].filter(matches)
    for (const key of keys) await this.remove(key)
    return keys.length
  }

  #slot(key: string): Buffer | null {
    const held = this.#slots.get(key)
    if (held === undefined) return null
    if (held.until > this.#namespace.clock.now()) return held.bytes
    this.#slots.delete(key)
    return null
  }

  #lease(key: string): Buffer | undefined {
    const held = this.#leases.get(key)
    if (held === undefined || held.until > this.#namespace.clock.now()) return held?.bytes
    this.#leases.delete(key)
    return undefined
  }

  #write(key: string, bytes: Buffer, life: number): void {
    const held = new Held(bytes, this.#namespace.clock.now() + life)
    this.#slots.set(key, held, bytes.length + 2 * key.length + 200)
    this.#tell(key)
  }

  #tell(key: string): void {
    this.#namespace.changed(key)
  }
}
