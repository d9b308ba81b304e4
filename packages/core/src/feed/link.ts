import type { Redis } from 'ioredis'
import type { Clock } from '../clock.js'

/** Options of a {@link Link}. */
export interface LinkOptions {
  /** The node whose keys this link hears; it is duplicated, never used. */
  readonly node: Redis
  readonly clock: Clock
  readonly prefixes: readonly string[]
  /** Milliseconds between two PINGs. */
  readonly every: number
  /** Milliseconds after which an unanswered PING ends the connection. */
  readonly limit: number
  /** Channel for where tracking is refused. */
  readonly channel: string
  readonly on: LinkEvents
}

/** What a {@link Link} tells. */
export interface LinkEvents {
  /** Listening, from now on. */
  armed(): void
  /** Redis time of this node, in milliseconds, at this moment. */
  time(milliseconds: number): void
  /** A PING was answered. */
  confirmed(): void
  /** Keys changed; `null`: all. */
  heard(keys: readonly string[] | null): void
  /** The connection is gone, and with it what it would have told. */
  lost(): void
}

const INVALIDATE = '__redis__:invalidate'

/**
 * The connection over which one node tells what changed: broadcast tracking redirected to itself, on RESP2, since ioredis 6 drops the
 * pushes of RESP3. Where tracking is refused (a server before 6, an ACL), pub/sub. Armed again after each reconnect.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #redis: Redis
  /** Sending time of the last answered PING: whatever the server did before it has been heard. */
  confirmed: number = Number.NEGATIVE_INFINITY
  armed = false
  /** The server tells by itself; else writers must publish. */
  tracking = false
  #asked: number | undefined
  #beat: NodeJS.Timeout | undefined
  #lastBeat = 0
  #closed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.#redis = options.node.duplicate({
      protocol: 2,
      lazyConnect: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResubscribe: false,
      enableAutoPipelining: false,
      maxRetriesPerRequest: null,
      readOnly: false,
      connectionName: 'larder-feed',
      retryStrategy: (attempt: number) => Math.min(20 * 2 ** Math.min(attempt, 4), 200),
    } as never)
    this.#redis.on('error', () => {})
    this.#redis.on('ready', () => void this.#arm())
    this.#redis.on('close', () => this.#onLost())
    this.#redis.on('messageBuffer', (_channel: Buffer, message: unknown) => this.#onMessage(message))
    this.#redis.connect().catch(() => {})
  }

  /** Ends the connection. */
  close(): void {
    this.#closed = true
    this.#onLost()
    this.#redis.disconnect()
  }

  async #arm(): Promise<void> {
    const redis = this.#redis
    try {
      const asked = this.#options.clock.now()
      const [id, time] = await Promise.all([redis.client('ID'), redis.time()])
      const elapsed = this.#options.clock.now() - asked
      this.#options.on.time(Number(time[0]) * 1000 + Number(time[1]) / 1000 + elapsed / 2)
      this.tracking = await this.#track(id as number)
      const sent = this.#options.clock.now()
      await redis.subscribe(this.tracking ? INVALIDATE : this.#options.channel)
      if (this.#closed || redis.status !== 'ready') return
      this.confirmed = sent
      this.armed = true
      this.#lastBeat = sent
      clearInterval(this.#beat)
      this.#beat = setInterval(() => this.#onBeat(), this.#options.every).unref()
      this.#options.on.armed()
    } catch {
      // The server went away, or is loading: once more from the start.
      if (!this.#closed) redis.disconnect(true)
    }
  }

  async #track(id: number): Promise<boolean> {
    const prefixes = this.#options.prefixes.flatMap((prefix) => ['PREFIX', prefix])
    try {
      await this.#redis.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...prefixes)
      return true
    } catch (error) {
      if (/^(ERR unknown|ERR Unknown|ERR syntax|NOPERM)/.test((error as Error).message)) return false
      throw error
    }
  }

  #onMessage(message: unknown): void {
    // Tracking tells a list, or null for FLUSHALL; a publisher tells one key.
    if (message === null || message === undefined) this.#options.on.heard(null)
    else if (Array.isArray(message)) this.#options.on.heard(message.map(String))
    else this.#options.on.heard([String(message)])
  }

  #onLost(): void {
    clearInterval(this.#beat)
    this.#beat = undefined
    this.#asked = undefined
    this.confirmed = Number.NEGATIVE_INFINITY
    if (!this.armed) return
    this.armed = false
    this.#options.on.lost()
  }

  #onBeat(): void {
    const now = this.#options.clock.now()
    // We stalled: an answer may lie in the socket, which gets its turn before this link is judged.
    const stalled = now - this.#lastBeat > 2 * this.#options.every
    this.#lastBeat = now
    if (this.#asked !== undefined) {
      if (!stalled && now - this.#asked > this.#options.limit) this.#redis.disconnect(true)
      return
    }
    this.#asked = now
    this.#redis.ping().then(
      () => {
        this.#asked = undefined
        if (!this.armed) return
        this.confirmed = now
        this.#options.on.confirmed()
      },
      () => {},
    )
  }
}
