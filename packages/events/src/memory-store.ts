import { PAYLOAD, toEntry } from './entries.js'
import { compareIds, START } from './entry-id.js'
import { Parcel } from './parcel.js'
import type { Entry, EventStore, Graveyard, Member, Page, TailListener, TopicListener } from './store.js'

/** A stream in memory. */
interface Log {
  entries: Entry[]
  last: string
  readonly listeners: Set<TailListener>
}

/** What all registrations of one application with one namespace share. */
interface Space {
  readonly topics: Map<string, Set<TopicListener>>
  readonly streams: Map<string, Log>
}

const spaces = new WeakMap<object, Map<string, Space>>()

/** Events in the memory of this process, shared by all registrations of one application with the same namespace. */
export class MemoryStore implements EventStore {
  readonly #space: Space

  /** @param owner what the registrations share, such as `fastify.server` */
  constructor(owner: object, namespace: string) {
    const known = spaces.get(owner) ?? new Map<string, Space>()
    spaces.set(owner, known)
    this.#space = known.get(namespace) ?? { topics: new Map(), streams: new Map() }
    known.set(namespace, this.#space)
  }

  async settled(): Promise<void> {}

  async publish(topic: string, text: string): Promise<number> {
    const listeners = this.#space.topics.get(topic)
    if (!listeners) return 0
    const parcel = new Parcel(text, text, '')
    for (const listener of [...listeners]) listener.heard(parcel, false)
    return 1
  }

  subscribe(topic: string, listener: TopicListener): () => void {
    const { topics } = this.#space
    const listeners = topics.get(topic) ?? new Set()
    topics.set(topic, listeners.add(listener))
    queueMicrotask(() => listener.armed())
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) topics.delete(topic)
    }
  }

  async add(stream: string, text: string, maxLength: number): Promise<string> {
    const log = this.#log(stream)
    const entry = toEntry(nextId(log.last), [PAYLOAD, text])
    log.last = entry.id
    log.entries.push(entry)
    // As Redis does, which trims a hundred at a time.
    if (log.entries.length >= maxLength + 100) log.entries.splice(0, log.entries.length - maxLength)
    for (const listener of [...log.listeners]) listener.added([entry], true)
    return entry.id
  }

  async page(stream: string, after: string, count: number): Promise<Page> {
    const { entries } = this.#log(stream)
    const found = entries.filter(({ id }) => compareIds(id, after) > 0).slice(0, count)
    const last = found.at(-1)
    const [oldest] = entries
    const kept = after === START || (oldest !== undefined && compareIds(oldest.id, after) <= 0)
    if (last) return { entries: found, intact: kept, position: last.id }
    const newest = await this.newest(stream)
    const ended = compareIds(newest, after) < 0
    return { entries: found, intact: !ended, position: ended ? newest : after }
  }

  async newest(stream: string): Promise<string> {
    return this.#log(stream).entries.at(-1)?.id ?? START
  }

  follow(stream: string, after: string, listener: TailListener): () => void {
    const log = this.#log(stream)
    log.listeners.add(listener)
    const missed = log.entries.filter(({ id }) => compareIds(id, after) > 0)
    if (missed.length > 0) listener.added(missed, true)
    return () => void log.listeners.delete(listener)
  }

  member(_stream: string, _group: string): Member {
    throw new Error('not yet')
  }

  graveyard(_stream: string, _group: string): Graveyard {
    throw new Error('not yet')
  }

  close(): void {}

  #log(stream: string): Log {
    const { streams } = this.#space
    const log = streams.get(stream) ?? { entries: [], last: START, listeners: new Set() }
    streams.set(stream, log)
    return log
  }
}

/** The id of an entry that is added now, after that of the last one. */
function nextId(last: string): string {
  const [time = '0', count = '0'] = last.split('-')
  const now = Date.now()
  return now > Number(time) ? `${now}-0` : `${time}-${Number(count) + 1}`
}
