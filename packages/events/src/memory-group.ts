import { randomBytes } from 'node:crypto'
import { START } from './entry-id.js'
import { type Group, type MemoryLog, nextId, type Pending } from './memory-log.js'
import {
  type Delivery,
  type Entry,
  type Grave,
  type Graveyard,
  type Harvest,
  HEADER,
  type Member,
  type Ownership,
} from './store.js'

/** Milliseconds that a consumer waits for entries at a time. */
const BLOCK = 1_000
const NOTHING: Harvest = { deliveries: [], missed: 0 }

/** A consumer of a group in memory. */
export class MemoryMember implements Member {
  readonly #log: MemoryLog
  readonly #group: string
  readonly #name = randomBytes(12).toString('base64url')
  #wake: (() => void) | undefined
  #closed = false

  constructor(log: MemoryLog, group: string) {
    this.#log = log
    this.#group = group
  }

  async join(from: string): Promise<void> {
    if (this.#log.groups.has(this.#group)) return
    const last = from === 'now' ? this.#log.newest : from
    this.#log.groups.set(this.#group, { last, missed: 0, pending: new Map() })
  }

  async take(count: number): Promise<Harvest> {
    const group = this.#state()
    if (this.#closed) return NOTHING
    if (this.#log.after(group.last, 1).length === 0) await this.#news()
    if (this.#closed) return NOTHING
    const { missed } = group
    group.missed = 0
    const deliveries = this.#log.after(group.last, count).map((entry): Delivery => {
      group.last = entry.id
      group.pending.set(entry.id, { entry, consumer: this.#name, attempt: 1, at: performance.now() })
      return { entry, attempt: 1 }
    })
    return { deliveries, missed }
  }

  async recover(): Promise<Harvest> {
    return this.#harvest([...this.#state().pending.values()].filter(({ consumer }) => consumer === this.#name))
  }

  async claim(idle: number, count: number): Promise<Harvest> {
    const now = performance.now()
    const found = [...this.#state().pending.values()].filter(({ at }) => now - at >= idle).slice(0, count)
    for (const pending of found) {
      pending.consumer = this.#name
      pending.attempt++
      pending.at = now
    }
    return this.#harvest(found)
  }

  async hold(ids: readonly string[]): Promise<Ownership[]> {
    return ids.map((id) => this.#own(id))
  }

  async retake(id: string, attempt: number): Promise<Ownership> {
    const ownership = this.#own(id)
    const pending = this.#state().pending.get(id)
    if (ownership === 'ours' && pending) pending.attempt = attempt
    return ownership
  }

  async acknowledge(id: string): Promise<void> {
    this.#state().pending.delete(id)
  }

  async bury(entry: Entry, fields: readonly string[], limit: number): Promise<void> {
    const { pending } = this.#state()
    if ((pending.get(entry.id)?.consumer ?? this.#name) !== this.#name) return
    if (!pending.delete(entry.id) && this.#log.has(entry)) return
    const graves = gravesOf(this.#log, this.#group)
    graves.push({ id: nextId(graves.at(-1)?.id ?? START), fields })
    if (graves.length > limit) graves.splice(0, graves.length - limit)
  }

  async leave(tried: readonly string[]): Promise<void> {
    for (const pending of this.#state().pending.values()) {
      if (pending.consumer !== this.#name) continue
      pending.at = Number.NEGATIVE_INFINITY
      if (!tried.includes(pending.entry.id)) pending.attempt--
    }
  }

  interrupt(): void {
    this.#closed = true
    this.#wake?.()
  }

  close(): void {}

  #state(): Group {
    const group = this.#log.groups.get(this.#group)
    if (!group) throw new Error(`NOGROUP there is no group ${this.#group}`)
    return group
  }

  #own(id: string): Ownership {
    const pending = this.#state().pending.get(id)
    if (!pending) return 'gone'
    if (pending.consumer !== this.#name) return 'stolen'
    pending.at = performance.now()
    return 'ours'
  }

  /** Entries that were trimmed meanwhile are lost, and nobody's any more. */
  #harvest(found: readonly Pending[]): Harvest {
    const kept = found.filter(({ entry }) => this.#log.has(entry))
    for (const { entry } of found) if (!this.#log.has(entry)) this.#state().pending.delete(entry.id)
    return { deliveries: kept.map(({ entry, attempt }) => ({ entry, attempt })), missed: found.length - kept.length }
  }

  /** Resolves at the next entry, or after a while. */
  async #news(): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#log.waiting.delete(done)
        this.#wake = undefined
        resolve()
      }
      const timer = setTimeout(done, BLOCK).unref()
      this.#log.waiting.add(done)
      this.#wake = done
    })
  }
}

/** Dead letters of a group in memory. */
export class MemoryGraveyard implements Graveyard {
  readonly #log: MemoryLog
  readonly #group: string

  constructor(log: MemoryLog, group: string) {
    this.#log = log
    this.#group = group
  }

  async list(after: string, count: number): Promise<Grave[]> {
    const graves = gravesOf(this.#log, this.#group)
    const from = after === START ? 0 : graves.findIndex(({ id }) => id === after) + 1
    return graves.slice(from, from + count)
  }

  async replay(ids: readonly string[], maxLength: number): Promise<number> {
    const found = this.#remove(ids)
    for (const grave of found) this.#log.revive(this.#group, grave, HEADER.length, maxLength)
    return found.length
  }

  async discard(ids: readonly string[]): Promise<number> {
    return this.#remove(ids).length
  }

  async count(): Promise<number> {
    return gravesOf(this.#log, this.#group).length
  }

  #remove(ids: readonly string[]): Grave[] {
    const graves = gravesOf(this.#log, this.#group)
    const found = graves.filter(({ id }) => ids.includes(id))
    this.#log.graves.set(
      this.#group,
      graves.filter(({ id }) => !ids.includes(id)),
    )
    return found
  }
}

function gravesOf(log: MemoryLog, group: string): Grave[] {
  const graves = log.graves.get(group) ?? []
  log.graves.set(group, graves)
  return graves
}
