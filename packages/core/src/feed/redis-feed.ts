import type { Redis } from 'ioredis'
import type { Log, RedisClient } from '../breaker.js'
import { type FeedEvent, feedChannel } from '../channels.js'
import { isCluster, keyPrefixOf, masters } from '../client.js'
import type { Clock } from '../clock.js'
import type { Feed, FeedListener } from './feed.js'
import { Link } from './link.js'

/** Options of a {@link RedisFeed}. */
export interface RedisFeedOptions {
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds that copies are trusted after the sending of the last answered PING; a PING goes out every quarter of it. */
  readonly heartbeat: number
  /** Told of Redis time, in milliseconds. */
  onTime(milliseconds: number): void
  /** Redis was reached, at this address, although the client may still be waiting to reconnect. */
  onReached(address: string | undefined): void
}

const CHANNEL = 'larder:feed'

/** Waits before asking Redis again whether the recoveries work. */
const RETRY = 100

/**
 * What all masters of one client tell: a {@link Link} each, rebuilt as the topology changes. Trusted only while every master is
 * heard; kept per client, closed with its last user.
 */
export class RedisFeed implements Feed {
  connection = 0
  /** Until every master is known to track, writers tell: somebody may have to listen there. */
  channel: string = CHANNEL
  trustedUntil: number = Number.NEGATIVE_INFINITY
  readonly #client: RedisClient
  readonly #options: RedisFeedOptions
  readonly #listeners = new Map<FeedListener, readonly string[]>()
  readonly #links = new Map<Redis, Link>()
  #trusted = false
  #recovering = false
  #waiting = new Set<() => void>()
  #prefixes: readonly string[] = []
  #sync: NodeJS.Timeout | undefined
  readonly #onTopology = () => this.#syncLinks()

  constructor(client: RedisClient, options: RedisFeedOptions) {
    this.#client = client
    this.#options = options
    if (isCluster(client)) {
      client.on('+node', this.#onTopology)
      client.on('-node', this.#onTopology)
      client.on('refresh', this.#onTopology)
    }
  }

  listen(prefixes: readonly string[], listener: FeedListener): () => void {
    this.#listeners.set(listener, prefixes)
    this.#rearm()
    return () => {
      this.#listeners.delete(listener)
      this.#rearm()
    }
  }

  settled(limit: number): Promise<void> {
    if (this.#trusted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, limit)
      this.#waiting.add(done)
    })
  }

  /** Ends all links. */
  close(): void {
    this.#listeners.clear()
    this.#rearm()
    if (isCluster(this.#client)) {
      this.#client.off('+node', this.#onTopology)
      this.#client.off('-node', this.#onTopology)
      this.#client.off('refresh', this.#onTopology)
    }
  }

  /** Prefixes are fixed once a link listens, so a new one means a new link. */
  #rearm(): void {
    const prefixes = [...new Set([...this.#listeners.values()].flat())].sort()
    if (prefixes.join() === this.#prefixes.join()) return
    this.#prefixes = prefixes
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    this.#syncLinks()
  }

  #syncLinks(): void {
    const wanted = new Set(this.#prefixes.length > 0 ? masters(this.#client) : [])
    for (const [node, link] of this.#links) {
      if (wanted.has(node)) continue
      this.#links.delete(node)
      link.close()
    }
    for (const node of wanted) {
      if (this.#links.has(node)) continue
      // Until the new master is heard, nothing is: a redirected read may already be on its way to it.
      this.#distrust()
      this.#links.set(node, this.#link(node))
    }
    // A link that is gone took its trust with it, and the others may all be armed.
    void this.#recover()
    clearTimeout(this.#sync)
    this.#sync = undefined
    if (isCluster(this.#client) && this.#prefixes.length > 0)
      this.#sync = setTimeout(this.#onTopology, this.#options.heartbeat / 4).unref()
  }

  #link(node: Redis): Link {
    return new Link({
      node,
      clock: this.#options.clock,
      prefixes: this.#prefixes.map((prefix) => keyPrefixOf(this.#client) + prefix),
      every: this.#options.heartbeat / 4,
      limit: this.#options.heartbeat,
      channel: CHANNEL,
      on: {
        armed: (address) => {
          this.channel = [...this.#links.values()].every((link) => link.tracking) ? '' : CHANNEL
          this.#options.onReached(address)
          void this.#recover()
        },
        time: (milliseconds) => this.#options.onTime(milliseconds),
        heard: (keys) => this.#heard(keys),
        confirmed: () => this.#extend(),
        lost: () => this.#distrust(),
        refused: (err) =>
          this.#options.log.warn({ err }, 'larder: Redis refuses to tell of changes, so this process keeps no copies'),
      },
    })
  }

  #heard(keys: readonly string[] | null): void {
    if (feedChannel.hasSubscribers) this.#tell({ type: 'heard', keys: keys?.length ?? null })
    const { length } = keyPrefixOf(this.#client)
    const names = length === 0 ? keys : keys?.map((key) => key.slice(length))
    for (const [listener, prefixes] of this.#listeners) {
      if (!names) listener.forget()
      else for (const key of names) if (prefixes.some((prefix) => key.startsWith(prefix))) listener.heard(key)
    }
  }

  #tell(event: Bare<FeedEvent>): void {
    feedChannel.publish({ client: this.#client, ...event })
  }

  #extend(): void {
    if (!this.#trusted) return
    let confirmed = Number.POSITIVE_INFINITY
    for (const link of this.#links.values()) confirmed = Math.min(confirmed, link.confirmed)
    this.trustedUntil = confirmed + this.#options.heartbeat
  }

  #distrust(): void {
    this.connection++
    this.trustedUntil = Number.NEGATIVE_INFINITY
    if (this.#trusted) this.#tell({ type: 'distrusted' })
    this.#trusted = false
    for (const listener of this.#listeners.keys()) listener.lost()
  }

  /** Trust begins when every master is heard and every listener has recovered, with nothing lost meanwhile. */
  async #recover(): Promise<void> {
    if (this.#recovering) return
    this.#recovering = true
    try {
      while (!this.#trusted && this.#links.size > 0 && [...this.#links.values()].every((link) => link.armed)) {
        const { connection } = this
        const results = await Promise.allSettled([...this.#listeners.keys()].map((listener) => listener.recover()))
        if (connection !== this.connection) continue
        if (results.every(({ status }) => status === 'fulfilled')) this.#trust()
        else await new Promise((resolve) => setTimeout(resolve, RETRY).unref())
      }
    } finally {
      this.#recovering = false
    }
  }

  #trust(): void {
    // A read that is out now may have been answered before the links listened.
    this.connection++
    for (const listener of this.#listeners.keys()) listener.forget()
    this.#trusted = true
    this.#extend()
    this.#tell({ type: 'trusted' })
    for (const done of this.#waiting) done()
  }
}

/** Without the client, which is always the same. */
type Bare<E> = E extends FeedEvent ? Omit<E, 'client'> : never
