import { masters, type RedisClient } from '@larder/core'
import type { Redis } from 'ioredis'

/** Who hears of a channel. */
export interface ChannelListener {
  heard(message: string): void
  /** The channel is heard from now on; what was published before may have been missed. */
  subscribed(): void
}

const RETRY_FIRST = 20
const RETRY_LAST = 200
/** Milliseconds without an answer after which a connection counts as dead. */
const SILENCE = 1_000

const subscribers = new WeakMap<RedisClient, Subscriber>()

/**
 * The one connection over which this process hears that its waiters are called: a duplicate of the supplied client (of one
 * master on Cluster, whose bus carries messages to all nodes), made when somebody first waits, remade when it is lost.
 */
export class Subscriber {
  readonly #client: RedisClient
  readonly #listeners = new Map<string, ChannelListener>()
  readonly #heard = new Set<string>()
  #redis: Redis | undefined
  #timer: NodeJS.Timeout | undefined
  #delay = RETRY_FIRST
  #users = 0
  /** When the PING was sent that is not answered yet. */
  #asked: number | undefined

  /** The subscriber of this client; each user calls {@link release} once. */
  static acquire(client: RedisClient): Subscriber {
    let subscriber = subscribers.get(client)
    if (!subscriber) {
      subscriber = new Subscriber(client)
      subscribers.set(client, subscriber)
    }
    subscriber.#users++
    return subscriber
  }

  private constructor(client: RedisClient) {
    this.#client = client
  }

  /** Whether messages of this channel are heard. */
  hears(channel: string): boolean {
    return this.#heard.has(channel)
  }

  /** Hears of a channel, as soon as the connection allows. */
  listen(channel: string, listener: ChannelListener): void {
    this.#listeners.set(channel, listener)
    if (this.#redis?.status === 'ready') this.#subscribe(this.#redis, [channel])
    else if (!this.#redis && !this.#timer) this.#connect()
  }

  /** Asks whether the connection is alive, and replaces one that has not answered for too long. `now`: milliseconds. */
  check(now: number): void {
    const redis = this.#redis
    if (redis?.status !== 'ready') return
    if (this.#asked !== undefined) {
      if (now - this.#asked <= SILENCE) return
      // The end of a dead connection may be long in coming.
      this.#onEnd(redis)
      redis.disconnect()
      return
    }
    this.#asked = now
    redis.ping().then(
      () => {
        if (redis === this.#redis) this.#asked = undefined
      },
      () => {},
    )
  }

  /** Ends one user's channel; the last one's end closes the connection. */
  release(channel: string): void {
    this.#listeners.delete(channel)
    this.#heard.delete(channel)
    if (--this.#users === 0) {
      subscribers.delete(this.#client)
      clearTimeout(this.#timer)
      this.#redis?.disconnect()
    } else if (this.#redis?.status === 'ready') this.#redis.unsubscribe(channel).catch(() => {})
  }

  #connect(): void {
    this.#timer = undefined
    const nodes = masters(this.#client)
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    if (!node) {
      this.#retry()
      return
    }
    const redis = node.duplicate({
      protocol: 2,
      // Whatever the client has: the other one is refused with this protocol.
      replyMapping: 'legacy',
      lazyConnect: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResubscribe: false,
      enableAutoPipelining: false,
      maxRetriesPerRequest: null,
      connectTimeout: 2_000,
      readOnly: false,
      keyPrefix: '',
      connectionName: 'larder-locks',
      // Made anew rather than reconnected: on Cluster the node may be gone.
      retryStrategy: () => null,
    } as never)
    this.#redis = redis
    redis.on('error', () => {})
    redis.on('message', (channel: string, message: string) => this.#listeners.get(channel)?.heard(message))
    redis.on('ready', () => this.#subscribe(redis, [...this.#listeners.keys()]))
    redis.on('end', () => this.#onEnd(redis))
    redis.connect().catch(() => {})
  }

  #subscribe(redis: Redis, channels: string[]): void {
    if (channels.length === 0) return
    redis.subscribe(...channels).then(
      () => {
        if (redis !== this.#redis) return
        this.#delay = RETRY_FIRST
        for (const channel of channels) {
          const listener = this.#listeners.get(channel)
          if (!listener) continue
          this.#heard.add(channel)
          listener.subscribed()
        }
      },
      // Forbidden, or gone again: waiters ask by themselves meanwhile.
      () => redis.disconnect(),
    )
  }

  #onEnd(redis: Redis): void {
    if (redis !== this.#redis) return
    this.#redis = undefined
    this.#asked = undefined
    this.#heard.clear()
    if (this.#users > 0) this.#retry()
  }

  #retry(): void {
    this.#timer = setTimeout(() => this.#connect(), this.#delay).unref()
    this.#delay = Math.min(this.#delay * 2, RETRY_LAST)
  }
}
