import type { Log, RedisClient } from './breaker.js'
import type { Caller } from './caller.js'
import { Clock } from './clock.js'
import type { EpochStore } from './epoch/epoch-store.js'
import { Epochs } from './epoch/epochs.js'
import { MemoryEpochStore } from './epoch/memory-epoch-store.js'
import { type Invalidation, Outbox } from './epoch/outbox.js'
import { RedisEpochStore } from './epoch/redis-epoch-store.js'
import { namespaceTag, type Tag } from './epoch/tag.js'
import type { Feed, FeedListener } from './feed/feed.js'
import { localFeed } from './feed/local.js'
import { RedisFeed } from './feed/redis-feed.js'
import { Gate } from './gate.js'
import { escapeKey, unescapeKey } from './key.js'
import { loadScript } from './script.js'

const REMOVE = loadScript(import.meta.url, './remove.lua')

/** Options of a {@link Namespace}; the first user's count. */
export interface NamespaceOptions {
  readonly log: Log
  /** Milliseconds that an operation on Redis may take. */
  readonly deadline: number
  /** Milliseconds that copies are trusted without an answer on the feed. */
  readonly heartbeat: number
  /** Milliseconds that acknowledged invalidations are kept to be repeated after a failover. */
  readonly replayFor: number
  /** Invalidations kept at most; more become an invalidation of the namespace. */
  readonly outboxLimit: number
}

/** Who keeps copies of a namespace's entries. Keys are logical keys. */
export interface NamespaceListener {
  /** The entry changed. `local`: this process called for it, so a load under way may not be joined any more. */
  changed(key: string, local: boolean): void
  /** The entries whose key matches changed, as this process called for. */
  changedWhere(matches: (key: string) => boolean): void
  /** Changes may go unheard from now on. */
  distrusted(): void
  /** Every entry may have changed. */
  allChanged(): void
}

interface Shared {
  readonly feed: RedisFeed
  readonly clock: Clock
  offset: number
  users: number
}

const feeds = new WeakMap<RedisClient, Shared>()
const namespaces = new WeakMap<object, Map<string, Namespace>>()

/**
 * What all plugins of this process share for one namespace of one client (or, in memory, of one Fastify server): its epochs, its
 * feed, its outbox, its names and its time. Ends with its last user.
 */
export class Namespace {
  readonly name: string
  /** Milliseconds that copies are trusted without an answer on the feed. */
  readonly heartbeat: number
  readonly epochs: Epochs
  readonly feed: Feed
  readonly clock: Clock
  /** `undefined` in memory. */
  readonly gate: Gate | undefined
  /** `undefined` in memory. */
  readonly outbox: Outbox | undefined
  readonly #listeners = new Set<NamespaceListener>()
  readonly #owner: object
  readonly #shared: Shared | undefined
  readonly #entryPrefix: string
  readonly #tagPrefix: string
  readonly #memoryOffset: number
  readonly #ends: (() => void)[] = []
  #users = 0

  /**
   * The namespace of this name.
   *
   * @param owner the client, or in memory the object that all plugins of one application share (`fastify.server`)
   */
  static acquire(client: RedisClient | undefined, owner: object, name: string, options: NamespaceOptions): Namespace {
    const scope = client ?? owner
    const known = namespaces.get(scope) ?? new Map<string, Namespace>()
    namespaces.set(scope, known)
    let namespace = known.get(name)
    if (!namespace) {
      namespace = new Namespace(client, scope, name, options)
      known.set(name, namespace)
    }
    namespace.#users++
    return namespace
  }

  private constructor(client: RedisClient | undefined, owner: object, name: string, options: NamespaceOptions) {
    this.name = name
    this.heartbeat = options.heartbeat
    this.#owner = owner
    this.#entryPrefix = `${name}:v:{`
    this.#tagPrefix = `{${name}}:t:`
    this.#memoryOffset = Date.now()
    if (client === undefined) {
      this.clock = new Clock()
      this.feed = localFeed
      this.epochs = new Epochs(new MemoryEpochStore(), { trusted: () => true, now: () => this.clock.now() })
      return
    }
    const gate = new Gate(client, options)
    this.gate = gate
    this.#shared = share(client, options, gate)
    this.feed = this.#shared.feed
    this.clock = this.#shared.clock
    this.epochs = new Epochs(this.#epochStore(gate), {
      trusted: (now = this.clock.sampled()) => now <= this.feed.trustedUntil,
      now: () => this.clock.now(),
    })
    this.outbox = new Outbox(gate, {
      replayFor: options.replayFor,
      limit: options.outboxLimit,
      overflow: this.#raising([namespaceTag('')], 'hard'),
      onOverflow: () => this.epochs.begin([namespaceTag('')], 'hard'),
      now: () => this.clock.now(),
    })
    const { outbox } = this
    this.#ends.push(gate.breaker.onChange((up) => up || outbox.lost()))
    this.#ends.push(gate.breaker.onRecovery(() => this.#recover()))
    this.#ends.push(this.feed.listen([`${name}:v:`, this.#tagPrefix], this.#feedListener()))
  }

  /** `<ns>:v:{<key>}`: the entry, or the placeholder of who is about to make it. */
  entryKey(key: string): string {
    return `${this.#entryPrefix}${escapeKey(key)}}`
  }

  /** `<ns>:l:{<key>}`: the lease of who refreshes a stale entry. Same slot as the entry. */
  leaseKey(key: string): string {
    return `${this.name}:l:{${escapeKey(key)}}`
  }

  /** The logical key of an entry's key in Redis. */
  logicalKey(entryKey: string): string {
    return unescapeKey(entryKey.slice(this.#entryPrefix.length, -1))
  }

  /** Redis time in milliseconds, as this process estimates it: what entries are dated with. */
  now(): number {
    return this.clock.now() + this.offset
  }

  /** What must be added to {@link clock} for Redis time. */
  get offset(): number {
    return this.#shared?.offset ?? this.#memoryOffset
  }

  /** Whether changes are heard at this moment. */
  trusted(): boolean {
    return this.clock.now() <= this.feed.trustedUntil
  }

  /** Hears of changes to entries; returns the end of it. */
  listen(listener: NamespaceListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tells all who keep copies in this process that it changed an entry. */
  touch(key: string): void {
    for (const listener of this.#listeners) listener.changed(key, true)
  }

  /** The entry changed, and whoever keeps copies in this process must hear of it. */
  changed(key: string): void {
    for (const listener of this.#listeners) listener.changed(key, false)
  }

  /** Tells all who keep copies in this process that it changed the entries whose key matches. */
  touchWhere(matches: (key: string) => boolean): void {
    for (const listener of this.#listeners) listener.changedWhere(matches)
  }

  /** Invalidates tags, as one act; resolves when it holds everywhere, or with Redis away when it holds here and is kept. */
  async invalidate(tags: readonly Tag[], mode: 'hard' | 'soft'): Promise<void> {
    this.epochs.begin(tags, mode)
    if (this.outbox) await this.outbox.run(this.#raising(tags, mode))
    else {
      await this.epochs.raise(tags, mode)
      this.epochs.settle(tags, mode)
    }
  }

  /** Deletes an entry of Redis and its lease; kept while Redis is away. */
  async remove(key: string): Promise<void> {
    const keys = [this.entryKey(key), this.leaseKey(key)]
    await this.outbox?.run({
      id: `delete ${key}`,
      apply: (redis) => (this.feed.channel ? redis.run(REMOVE, keys, [this.feed.channel]) : redis.call('del', keys)),
    })
  }

  /** Waits for the first connection and the first trust in the feed, at most the deadline: booting never hangs. */
  async settled(limit: number): Promise<void> {
    await this.gate?.breaker.settled(limit)
    if (this.gate?.up) await this.feed.settled(limit)
  }

  /** Ends one user's interest; the last one's end closes the feed's connections. */
  release(): void {
    if (--this.#users > 0) return
    namespaces.get(this.#owner)?.delete(this.name)
    for (const end of this.#ends) end()
    this.gate?.close()
    if (!this.#shared || --this.#shared.users > 0) return
    feeds.delete(this.#owner as RedisClient)
    this.#shared.feed.close()
  }

  #epochStore(redis: Caller): EpochStore {
    return new RedisEpochStore(redis, {
      clock: `{${this.name}}:clock`,
      tag: (tag) => this.#tagPrefix + tag,
      channel: () => this.feed.channel,
      time: (milliseconds) => {
        if (this.#shared) this.#shared.offset = milliseconds - this.clock.now()
      },
    })
  }

  #raising(tags: readonly Tag[], mode: 'hard' | 'soft'): Invalidation {
    return {
      id: `${mode} ${JSON.stringify(tags)}`,
      apply: (redis) => this.epochs.raise(tags, mode, this.#epochStore(redis)),
      done: () => this.epochs.settle(tags, mode),
    }
  }

  #feedListener(): FeedListener {
    return {
      heard: (key) => {
        if (key.startsWith(this.#tagPrefix)) this.epochs.heard(key.slice(this.#tagPrefix.length) as Tag)
        else this.changed(this.logicalKey(key))
      },
      lost: () => {
        this.outbox?.lost()
        this.epochs.distrust()
        for (const listener of this.#listeners) listener.distrusted()
      },
      forget: () => {
        this.epochs.forget()
        for (const listener of this.#listeners) listener.allChanged()
      },
      recover: () => this.#recover(),
    }
  }

  async #recover(): Promise<void> {
    // With the breaker open nobody reads from Redis; its own recovery replays.
    if (this.gate?.up || this.gate?.client.status === 'ready') await this.outbox?.replay()
  }
}

function share(client: RedisClient, options: NamespaceOptions, gate: Gate): Shared {
  let shared = feeds.get(client)
  if (!shared) {
    const clock = new Clock()
    const state = { clock, offset: Date.now() - clock.now(), users: 0 }
    const feed = new RedisFeed(client, {
      clock,
      log: options.log,
      heartbeat: options.heartbeat,
      onTime: (milliseconds) => {
        created.offset = milliseconds - clock.now()
      },
      onReached: (address) => gate.breaker.nudge(address),
    })
    const created: Shared = Object.assign(state, { feed })
    shared = created
    feeds.set(client, shared)
  }
  shared.users++
  return shared
}
