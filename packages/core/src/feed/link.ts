import type { Redis } from 'ioredis'
import { addressOf } from '../breaker.js'
import type { Clock } from '../clock.js'
import { Heartbeat } from '../heartbeat.js'

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
  armed(address: string | undefined): void
  /** Redis time of this node, in milliseconds, at this moment. */
  time(milliseconds: number): void
  /** A PING was answered. */
  confirmed(): void
  /** Keys changed; `null`: all. */
  heard(keys: readonly string[] | null): void
  /** The connection is gone, and with it what it would have told. */
  lost(): void
  /** The server does not let us listen, neither way: an ACL, for example. */
  refused(reason: Error): void
}

const INVALIDATE = '__redis__:invalidate'

/** Milliseconds between two attempts where the server refuses to be listened to. */
const REFUSED = 5_000

/** Milliseconds until a connection that ioredis gave up is tried again. */
const GIVEN_UP = 100

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
  readonly #heartbeat: Heartbeat
  #watchdog: NodeJS.Timeout | undefined
  #revival: NodeJS.Timeout | undefined
  #closed = false
  #refused = false
  /** Counts connections: what an earlier one was asked for does not matter any more. */
  #attempt = 0

  constructor(options: LinkOptions) {
    this.#options = options
    this.#redis = options.node.duplicate({
      protocol: 2,
      // Whatever the client has: the other one is refused with this protocol.
      replyMapping: 'legacy',
      lazyConnect: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      enableAutoPipelining: false,
      maxRetriesPerRequest: null,
      readOnly: false,
      // A silent peer answers no farewell.
      disconnectTimeout: 50,
      // Sentinel tells of a failover while the old primary may go on answering.
      failoverDetector: true,
      connectionName: 'larder-feed',
      retryStrategy: (attempt: number) => (this.#refused ? REFUSED : Math.min(20 * 2 ** Math.min(attempt, 4), 200)),
    } as never)
    this.#heartbeat = new Heartbeat({
      every: options.every,
      limit: options.limit,
      now: () => options.clock.now(),
      ask: () => this.#redis.ping(),
      onAnswer: (sent) => {
        if (!this.armed) return
        this.confirmed = sent
        options.on.confirmed()
      },
      onSilence: () => this.#redis.disconnect(true),
    })
    this.#redis.on('error', () => {})
    this.#redis.on('connect', () => this.#onConnect())
    this.#redis.on('ready', () => void this.#arm())
    this.#redis.on('close', () => this.#onLost())
    this.#redis.on('end', () => this.#onEnd())
    this.#redis.on('messageBuffer', (_channel: Buffer, message: unknown) => this.#onMessage(message))
    this.#redis.connect().catch(() => {})
  }

  /** Where it is connected to. */
  get address(): string | undefined {
    return addressOf(this.#redis)
  }

  /** Ends the connection. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#revival)
    this.#onLost()
    this.#redis.disconnect()
  }

  /** ioredis gives up when Sentinel tells of a failover while it is being asked for the primary, or when no Sentinel answers. */
  #onEnd(): void {
    if (this.#closed) return
    this.#revival = setTimeout(() => this.#redis.connect().catch(() => {}), GIVEN_UP).unref()
  }

  /** A connection that is taken and then says nothing would never be known to be lost. */
  #onConnect(): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.#redis.disconnect(true), this.#options.limit).unref()
  }

  async #arm(): Promise<void> {
    const redis = this.#redis
    const attempt = ++this.#attempt
    try {
      const asked = this.#options.clock.now()
      const [id, time] = await Promise.all([redis.client('ID').catch(unlessRefused), redis.time()])
      if (attempt !== this.#attempt) return
      const elapsed = this.#options.clock.now() - asked
      this.#options.on.time(Number(time[0]) * 1000 + Number(time[1]) / 1000 + elapsed / 2)
      this.tracking = id !== undefined && (await this.#track(id))
      const sent = this.#options.clock.now()
      await redis.subscribe(this.tracking ? INVALIDATE : this.#options.channel)
      if (attempt !== this.#attempt || this.#closed || redis.status !== 'ready') return
      clearTimeout(this.#watchdog)
      this.#refused = false
      this.confirmed = sent
      this.armed = true
      this.#heartbeat.start()
      this.#options.on.armed(this.address)
    } catch (error) {
      // The server went away, is loading, or refuses: once more from the start.
      if (attempt === this.#attempt && isRefusal(error)) {
        if (!this.#refused) this.#options.on.refused(error)
        this.#refused = true
      }
      if (attempt === this.#attempt && !this.#closed) redis.disconnect(true)
    }
  }

  async #track(id: number): Promise<boolean> {
    const prefixes = this.#options.prefixes.flatMap((prefix) => ['PREFIX', prefix])
    const reply = await this.#redis
      .call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id), 'BCAST', ...prefixes)
      .catch(unlessRefused)
    return reply !== undefined
  }

  #onMessage(message: unknown): void {
    // Tracking tells a list, or null for FLUSHALL; a publisher tells one key.
    if (message === null || message === undefined) this.#options.on.heard(null)
    else if (Array.isArray(message)) this.#options.on.heard(message.map(String))
    else this.#options.on.heard([String(message)])
  }

  #onLost(): void {
    this.#attempt++
    clearTimeout(this.#watchdog)
    this.#heartbeat.stop()
    this.confirmed = Number.NEGATIVE_INFINITY
    if (!this.armed) return
    this.armed = false
    this.#options.on.lost()
  }
}

/** Whether the server does not allow, or does not know, what it was asked for. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && /^(ERR unknown|ERR Unknown|ERR syntax|NOPERM)/.test(error.message)
}

function unlessRefused(error: unknown): undefined {
  if (!isRefusal(error)) throw error
}
