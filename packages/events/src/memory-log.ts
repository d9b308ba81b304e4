import { FOR, OF, PAYLOAD, toEntry } from './entries.js'
import { compareIds, START } from './entry-id.js'
import type { Entry, Grave, Page, TailListener } from './store.js'

/** What a group has given to a consumer and not heard of yet. */
export interface Pending {
  readonly entry: Entry
  consumer: string
  attempt: number
  /** When the consumer was last heard of, in milliseconds. */
  at: number
}

/** A group of consumers. */
export interface Group {
  /** The last entry that was given to anybody. */
  last: string
  /** Entries that were trimmed before anybody had them, and not told of yet. */
  missed: number
  readonly pending: Map<string, Pending>
}

/** Redis trims a node of the stream at a time, which by default holds a hundred entries. */
const NODE = 100

/** A stream in memory. */
export class MemoryLog {
  readonly groups: Map<string, Group> = new Map()
  readonly graves: Map<string, Grave[]> = new Map()
  readonly listeners: Set<TailListener> = new Set()
  /** Called at each new entry. */
  readonly waiting: Set<() => void> = new Set()
  #entries: Entry[] = []
  #last = START

  /** The id of the newest entry. */
  get newest(): string {
    return this.#entries.at(-1)?.id ?? START
  }

  add(text: string, maxLength: number): string {
    return this.addFields([PAYLOAD, text], maxLength)
  }

  addFields(fields: readonly string[], maxLength: number): string {
    const entry = toEntry(nextId(this.#last), fields)
    this.#last = entry.id
    this.#entries.push(entry)
    if (this.#entries.length >= maxLength + NODE) this.#trim(this.#entries.length - maxLength)
    for (const listener of [...this.listeners]) listener.added([entry], true)
    for (const wake of [...this.waiting]) wake()
    return entry.id
  }

  /** Entries after a place. */
  after(place: string, count: number): Entry[] {
    const entries = this.#entries
    let low = 0
    let high = entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareIds((entries[middle] as Entry).id, place) <= 0) low = middle + 1
      else high = middle
    }
    return entries.slice(low, low + count)
  }

  page(after: string, count: number): Page {
    const entries = this.after(after, count)
    const last = entries.at(-1)
    const [oldest] = this.#entries
    const kept = after === START || (oldest !== undefined && compareIds(oldest.id, after) <= 0)
    if (last) return { entries, intact: kept, position: last.id }
    const ended = compareIds(this.newest, after) < 0
    return { entries, intact: !ended, position: ended ? this.newest : after }
  }

  /** Whether an entry was not trimmed. */
  has(entry: Entry): boolean {
    const [oldest] = this.#entries
    return oldest !== undefined && compareIds(oldest.id, entry.id) <= 0
  }

  /** Adds the entry of a dead letter again, for its group only. */
  revive(group: string, { fields }: Grave, header: number, maxLength: number): void {
    const own = fields.slice(2 * header)
    const rest = own.flatMap((name, i) => (i % 2 || name === FOR || name === OF ? [] : [name, own[i + 1] as string]))
    this.addFields([FOR, group, OF, fields[1] as string, ...rest], maxLength)
  }

  #trim(count: number): void {
    const trimmed = this.#entries.splice(0, count)
    for (const group of this.groups.values())
      group.missed += trimmed.filter(({ id }) => compareIds(id, group.last) > 0).length
  }
}

/** The id of an entry that is added now, after that of the last one. */
export function nextId(last: string): string {
  const [time = '0', count = '0'] = last.split('-')
  const now = Date.now()
  return now > Number(time) ? `${now}-0` : `${time}-${Number(count) + 1}`
}
