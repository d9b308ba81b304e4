import { logicalKey } from '@larder/core'
import type {
  Changes,
  Draft,
  Dropped,
  Found,
  Lifetimes,
  Owner,
  Saved,
  SessionKey,
  SessionStore,
  Span,
  StoredSession,
  Successor,
} from './store.js'

interface Slot {
  expires: number
  content: { session: StoredSession; data: Map<string, string> } | { session: StoredSession; successor: Successor }
}

interface Shelf {
  readonly slots: Map<SessionKey, Slot>
  /** By user, the end of each session. */
  readonly indexes: Map<string, Map<SessionKey, number>>
}

const SWEEP_EVERY = 30_000

const shelves = new WeakMap<object, Map<string, Shelf>>()

/** Sessions in this process: those of one server and namespace share them, as in Redis. */
export class MemoryStore implements SessionStore {
  readonly #lifetimes: Lifetimes
  readonly #shelf: Shelf
  readonly #timer: NodeJS.Timeout
  readonly now: () => number

  constructor(server: object, namespace: string, lifetimes: Lifetimes, now: () => number = Date.now) {
    this.#lifetimes = lifetimes
    this.now = now
    const known = shelves.get(server) ?? new Map<string, Shelf>()
    shelves.set(server, known)
    this.#shelf = known.get(namespace) ?? { slots: new Map(), indexes: new Map() }
    known.set(namespace, this.#shelf)
    this.#timer = setInterval(() => this.#sweep(), SWEEP_EVERY).unref()
  }

  async load(key: SessionKey): Promise<Found> {
    const content = this.#content(key)
    if (!content) return { state: 'absent' }
    if ('successor' in content) return { state: 'moved', successor: content.successor }
    return { state: 'live', session: { ...content.session, data: new Map(content.data) } }
  }

  async create(key: SessionKey, { owner, device, data, span }: Draft): Promise<Span | undefined> {
    const now = this.now()
    const { created, end } = span ?? { created: now, end: now + this.#lifetimes.absolute }
    if (this.#content(key) || end <= now) return undefined
    const fields = new Map(data)
    this.#shelf.slots.set(key, {
      expires: Math.min(now + this.#lifetimes.idle, end),
      content: { session: { created, end, owner, seen: now, device, data: fields }, data: fields },
    })
    return { created, end }
  }

  async save(key: SessionKey, { set, remove }: Changes, device: string): Promise<Saved> {
    const content = this.#content(key)
    if (!content) return { state: 'gone' }
    if ('successor' in content) return { state: 'moved', successor: content.successor }
    for (const [name, value] of set) content.data.set(name, value)
    for (const name of remove) content.data.delete(name)
    const now = this.now()
    if (now - content.session.seen < this.#lifetimes.touchEvery) return { state: 'saved', touched: false }
    content.session = { ...content.session, seen: now, device }
    const slot = this.#shelf.slots.get(key)
    if (slot) slot.expires = Math.min(now + this.#lifetimes.idle, content.session.end)
    return { state: 'saved', touched: true }
  }

  async claim(key: SessionKey, successor: Successor, grace: number): Promise<StoredSession | undefined> {
    const content = this.#content(key)
    if (!content || 'successor' in content) return undefined
    this.#shelf.slots.delete(key)
    if (grace > 0)
      this.#shelf.slots.set(key, { expires: this.now() + grace, content: { session: content.session, successor } })
    return content.session
  }

  async drop(key: SessionKey): Promise<Dropped> {
    const content = this.#content(key)
    this.#shelf.slots.delete(key)
    const owner = content?.session.owner ?? ''
    const successor = content && 'successor' in content ? content.successor : undefined
    return { alive: content !== undefined && !successor, owner, successor }
  }

  async enlist(owner: Owner, key: SessionKey, end: number, replaced?: SessionKey): Promise<SessionKey[] | undefined> {
    const name = nameOf(owner)
    const index = this.#shelf.indexes.get(name) ?? new Map<SessionKey, number>()
    if (replaced !== undefined && !index.delete(replaced)) return undefined
    for (const [known, over] of index) if (over <= this.now()) index.delete(known)
    index.set(key, end)
    this.#shelf.indexes.set(name, index)
    return [...index.keys()]
  }

  async strike(owner: Owner, keys: readonly SessionKey[]): Promise<void> {
    const index = this.#shelf.indexes.get(nameOf(owner))
    for (const key of keys) index?.delete(key)
    if (index?.size === 0) this.#shelf.indexes.delete(nameOf(owner))
  }

  async members(owner: Owner): Promise<SessionKey[]> {
    return [...(this.#shelf.indexes.get(nameOf(owner))?.keys() ?? [])]
  }

  async legacy(): Promise<string | undefined> {
    return undefined
  }

  async dropLegacy(): Promise<boolean> {
    return false
  }

  async settled(): Promise<void> {}

  close(): void {
    clearInterval(this.#timer)
  }

  #content(key: SessionKey): Slot['content'] | undefined {
    const slot = this.#shelf.slots.get(key)
    if (!slot) return undefined
    if (slot.expires > this.now()) return slot.content
    this.#shelf.slots.delete(key)
    return undefined
  }

  #sweep(): void {
    const now = this.now()
    for (const [key, { expires }] of this.#shelf.slots) if (expires <= now) this.#shelf.slots.delete(key)
    for (const [name, index] of this.#shelf.indexes) {
      for (const [key, end] of index) if (end <= now) index.delete(key)
      if (index.size === 0) this.#shelf.indexes.delete(name)
    }
  }
}

/** Numbers and strings read alike, as in keys. */
function nameOf(owner: Owner): string {
  return logicalKey([JSON.parse(owner)])
}
