import { MemoryGraveyard, MemoryMember } from './memory-group.js'
import { MemoryLog } from './memory-log.js'
import { Parcel } from './parcel.js'
import type { EventStore, Graveyard, Member, Page, TailListener, TopicListener } from './store.js'

/** What all registrations of one application with one namespace share. */
interface Space {
  readonly topics: Map<string, Set<TopicListener>>
  readonly streams: Map<string, MemoryLog>
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
    listener.armed()
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) topics.delete(topic)
    }
  }

  async add(stream: string, text: string, maxLength: number): Promise<string> {
    return this.#log(stream).add(text, maxLength)
  }

  async page(stream: string, after: string, count: number): Promise<Page> {
    return this.#log(stream).page(after, count)
  }

  async newest(stream: string): Promise<string> {
    return this.#log(stream).newest
  }

  follow(stream: string, after: string, listener: TailListener): () => void {
    const log = this.#log(stream)
    log.listeners.add(listener)
    const { entries, intact } = log.page(after, Number.POSITIVE_INFINITY)
    if (entries.length > 0) listener.added(entries, intact)
    return () => void log.listeners.delete(listener)
  }

  member(stream: string, group: string): Member {
    return new MemoryMember(this.#log(stream), group)
  }

  graveyard(stream: string, group: string): Graveyard {
    return new MemoryGraveyard(this.#log(stream), group)
  }

  close(): void {}

  #log(stream: string): MemoryLog {
    const { streams } = this.#space
    const log = streams.get(stream) ?? new MemoryLog()
    streams.set(stream, log)
    return log
  }
}
