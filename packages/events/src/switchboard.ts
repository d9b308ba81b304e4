import { isCluster, type Log, type RedisClient } from '@larder/core'
import type { Redis } from 'ioredis'
import { Line } from './line.js'
import { Link } from './link.js'
import { messageOf } from './parcel.js'
import type { TopicListener } from './store.js'
import { isMoved, nodeOf, refreshSlots, slotOf } from './topology.js'

/** Options of a {@link Switchboard}; the first user's count. */
export interface SwitchboardOptions {
  /** Milliseconds after which a connection that does not answer is replaced. */
  readonly heartbeat: number
  readonly log: Log
}

/** Milliseconds until a channel that could not be subscribed to is tried again. */
const RETRY = 100
/** The same where the server does not allow it: an ACL, for example. */
const REFUSED = 5_000

const switchboards = new WeakMap<RedisClient, Switchboard>()

/**
 * All messages that this process hears come in here: over one connection, or on Cluster one to each master that has a slot of a
 * topic somebody listens to. Kept per client, closed with its last user.
 */
export class Switchboard {
  readonly #client: RedisClient
  readonly #options: SwitchboardOptions
  readonly #lines = new Map<string, Line>()
  readonly #links = new Map<Redis, Link>()
  #users = 0
  #timer: NodeJS.Timeout | undefined
  #refused = false
  readonly #onTopology = () => this.#connect()

  /** The switchboard of this client; each user calls {@link release} once. */
  static acquire(client: RedisClient, options: SwitchboardOptions): Switchboard {
    let switchboard = switchboards.get(client)
    if (!switchboard) {
      switchboard = new Switchboard(client, options)
      switchboards.set(client, switchboard)
    }
    switchboard.#users++
    return switchboard
  }

  private constructor(client: RedisClient, options: SwitchboardOptions) {
    this.#client = client
    this.#options = options
    if (!isCluster(client)) return
    client.on('+node', this.#onTopology)
    client.on('-node', this.#onTopology)
    client.on('refresh', this.#onTopology)
  }

  /** Hears a channel; returns the end of it. `key`: of its mark, in the same slot. */
  listen(channel: string, key: string, listener: TopicListener): () => void {
    let line = this.#lines.get(channel)
    if (!line) {
      line = new Line(channel, key, slotOf(this.#client, channel))
      this.#lines.set(channel, line)
    }
    line.listeners.add(listener)
    if (line.armed) listener.armed()
    else if (line.listeners.size === 1) this.#connect()
    return () => this.#leave(line, listener)
  }

  /** Ends one user's interest; the last one's end closes the connections. */
  release(): void {
    if (--this.#users > 0) return
    switchboards.delete(this.#client)
    clearTimeout(this.#timer)
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    this.#lines.clear()
    if (!isCluster(this.#client)) return
    this.#client.off('+node', this.#onTopology)
    this.#client.off('-node', this.#onTopology)
    this.#client.off('refresh', this.#onTopology)
  }

  #leave(line: Line, listener: TopicListener): void {
    if (!line.listeners.delete(listener) || line.listeners.size > 0) return
    this.#lines.delete(line.channel)
    line.lost()
    line.link?.unsubscribe(line.channel)
    this.#closeIdle()
  }

  /** Gives every line the link to the node that has its slot, and every link its lines. */
  #connect(): void {
    for (const line of this.#lines.values()) {
      const node = nodeOf(this.#client, line.slot)
      if (!node) {
        this.#later(RETRY)
        continue
      }
      if (line.link?.node === node) continue
      line.link?.unsubscribe(line.channel)
      line.lost()
      line.link = this.#links.get(node) ?? this.#link(node)
      if (line.link.up) void this.#subscribe(line, line.link)
    }
    this.#closeIdle()
  }

  #link(node: Redis): Link {
    const own = (): Line[] => [...this.#lines.values()].filter((line) => line.link === link)
    const link = new Link({
      node,
      sharded: isCluster(this.#client),
      heartbeat: this.#options.heartbeat,
      on: {
        up: () => {
          for (const line of own()) void this.#subscribe(line, link)
        },
        down: () => {
          for (const line of own()) line.lost()
          refreshSlots(this.#client)
        },
        moved: () => {
          refreshSlots(this.#client)
          for (const line of own()) void this.#subscribe(line, link)
        },
        message: (channel, raw) => {
          const line = this.#lines.get(channel)
          if (line?.link === link) line.hear(raw)
        },
      },
    })
    this.#links.set(node, link)
    return link
  }

  async #subscribe(line: Line, link: Link): Promise<void> {
    const attempt = line.begin()
    try {
      const mark = await link.subscribe(line.channel, line.key)
      if (attempt === line.attempt) line.arm(mark)
    } catch (error) {
      if (attempt !== line.attempt || !link.up) return
      // Tried again: where the slot went will be known by then.
      line.link = undefined
      if (isMoved(error)) {
        refreshSlots(this.#client)
        this.#later(RETRY)
        return
      }
      if (!this.#refused) {
        const { channel } = line
        this.#options.log.warn({ channel, reason: messageOf(error) }, 'larder: Redis refuses a subscription')
      }
      this.#refused = true
      this.#later(REFUSED)
    }
  }

  #later(milliseconds: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#connect()
    }, milliseconds).unref()
  }

  #closeIdle(): void {
    const used = new Set([...this.#lines.values()].map((line) => line.link))
    for (const [node, link] of this.#links) {
      if (used.has(link)) continue
      this.#links.delete(node)
      link.close()
    }
  }
}
