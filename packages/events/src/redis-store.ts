import { escapeKey, Gate, isCluster, keyPrefixOf, type Log, loadScript, type RedisClient } from '@larder/core'
import { PAYLOAD, readEntries } from './entries.js'
import { compareIds, START } from './entry-id.js'
import { Marks } from './envelope.js'
import { Reader } from './reader.js'
import { RedisGraveyard } from './redis-graveyard.js'
import { RedisMember } from './redis-group.js'
import type { EventStore, Graveyard, Member, Page, TailListener, TopicListener } from './store.js'
import { Switchboard } from './switchboard.js'
import { slotOf } from './topology.js'

const PUBLISH = loadScript(import.meta.url, './publish.lua')

/**
 * How long a topic is remembered after its last message, in milliseconds. Whoever listens for longer than that without a message is
 * told of a gap that is none.
 */
const MARK_LIFE = 7 * 24 * 3_600_000

/** Options of a {@link RedisStore}. */
export interface RedisStoreOptions {
  readonly namespace: string
  /** Milliseconds that a command may take. */
  readonly deadline: number
  /** Milliseconds after which a connection that does not answer is replaced. */
  readonly heartbeat: number
  readonly log: Log
}

/** Events in Redis: one server, Sentinel or Cluster. */
export class RedisStore implements EventStore {
  readonly #client: RedisClient
  readonly #options: RedisStoreOptions
  readonly #gate: Gate
  readonly #switchboard: Switchboard
  readonly #marks = new Marks()
  readonly #readers = new Map<number, Reader>()
  readonly #publish: string

  constructor(client: RedisClient, options: RedisStoreOptions) {
    this.#client = client
    this.#options = options
    this.#gate = new Gate(client, options)
    this.#switchboard = Switchboard.acquire(client, options)
    this.#publish = isCluster(client) ? 'SPUBLISH' : 'PUBLISH'
  }

  settled(): Promise<void> {
    return this.#gate.breaker.settled(this.#options.deadline)
  }

  async publish(topic: string, text: string): Promise<number> {
    const args = [this.#publish, this.#channel(topic), this.#marks.next(), text, MARK_LIFE]
    return Number(await this.#gate.run(PUBLISH, [this.#key('mark', topic)], args))
  }

  subscribe(topic: string, listener: TopicListener): () => void {
    const key = keyPrefixOf(this.#client) + this.#key('mark', topic)
    return this.#switchboard.listen(this.#channel(topic), key, listener)
  }

  async add(stream: string, text: string, maxLength: number): Promise<string> {
    const args = [this.#key('stream', stream), 'MAXLEN', '~', maxLength, '*', PAYLOAD, text]
    return String(await this.#gate.call('xadd', args))
  }

  async page(stream: string, after: string, count: number): Promise<Page> {
    const key = this.#key('stream', stream)
    // In this order: entries may be trimmed between the two questions, which must not look as if none had been.
    const [after_, before] = await Promise.all([
      this.#gate.call('xrange', [key, `(${after}`, '+', 'COUNT', count]),
      this.#gate.call('xrange', [key, '-', after, 'COUNT', 1]),
    ])
    const entries = readEntries(after_)
    const last = entries.at(-1)
    if (last) return { entries, intact: after === START || readEntries(before).length > 0, position: last.id }
    const newest = await this.newest(stream)
    const ended = compareIds(newest, after) < 0
    return { entries, intact: !ended, position: ended ? newest : after }
  }

  async newest(stream: string): Promise<string> {
    const reply = await this.#gate.call('xrevrange', [this.#key('stream', stream), '+', '-', 'COUNT', 1])
    return readEntries(reply)[0]?.id ?? START
  }

  follow(stream: string, after: string, listener: TailListener): () => void {
    const key = this.#key('stream', stream)
    const slot = slotOf(this.#client, keyPrefixOf(this.#client) + key)
    let reader = this.#readers.get(slot)
    if (!reader) {
      reader = new Reader({
        client: this.#client,
        slot,
        heartbeat: this.#options.heartbeat,
      })
      this.#readers.set(slot, reader)
    }
    const used = reader
    const end = used.follow(key, after, listener)
    return () => {
      end()
      if (used.idle && this.#readers.get(slot) === used) this.#readers.delete(slot)
    }
  }

  member(stream: string, group: string): Member {
    const { heartbeat } = this.#options
    return new RedisMember({ client: this.#client, gate: this.#gate, heartbeat, ...this.#groupKeys(stream, group) })
  }

  graveyard(stream: string, group: string): Graveyard {
    return new RedisGraveyard(this.#gate, this.#groupKeys(stream, group))
  }

  close(): void {
    this.#switchboard.release()
    for (const reader of this.#readers.values()) reader.close()
    this.#readers.clear()
    this.#gate.close()
  }

  #groupKeys(stream: string, group: string): { stream: string; dead: string; group: string } {
    return { stream: this.#key('stream', stream), dead: `${this.#key('dead', stream)}:${group}`, group }
  }

  /** `<ns>:<kind>:{<name>}`: all keys of a topic or stream lie in one slot. */
  #key(kind: 'mark' | 'stream' | 'dead', name: string): string {
    return `${this.#options.namespace}:${kind}:{${escapeKey(name)}}`
  }

  /** `<ns>:topic:{<name>}`, in the slot of its mark. */
  #channel(topic: string): string {
    return `${this.#options.namespace}:topic:{${escapeKey(topic)}}`
  }
}
