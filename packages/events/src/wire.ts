import type { Redis } from 'ioredis'

/** Options of a {@link Wire}. */
export interface WireOptions {
  /** Duplicated, never used. */
  readonly node: Redis
  /** In CLIENT LIST. */
  readonly name: string
  /** RESP3 lets a connection that hears messages also ask; RESP2 answers in one shape whatever the client was set to. */
  readonly protocol: 2 | 3
  /** Milliseconds that a new connection may take until it answers. */
  readonly limit: number
  /** Connected, from now on; called again after each reconnection. */
  readonly onReady: (redis: Redis) => void
  /** The connection is gone, and with it what was under way. */
  readonly onLost: () => void
}

/** Milliseconds until a connection that ioredis gave up is tried again. */
const GIVEN_UP = 100

/** A connection of one's own to the node of a supplied client, remade whenever it is lost. Nothing is sent a second time by itself. */
export class Wire {
  readonly redis: Redis
  readonly #options: WireOptions
  #ready = false
  #closed = false
  readonly #asking = new Set<(error: Error) => void>()
  #watchdog: NodeJS.Timeout | undefined
  #revival: NodeJS.Timeout | undefined

  constructor(options: WireOptions) {
    this.#options = options
    this.redis = options.node.duplicate({
      protocol: options.protocol,
      // Whatever the client has: the other one is refused with protocol 2, and what is read here is the same with both.
      replyMapping: 'legacy',
      lazyConnect: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      enableAutoPipelining: false,
      maxRetriesPerRequest: null,
      commandTimeout: undefined,
      socketTimeout: undefined,
      readOnly: false,
      keyPrefix: '',
      // A silent peer answers no farewell.
      disconnectTimeout: 50,
      // Sentinel tells of a failover while the old primary may go on answering.
      failoverDetector: true,
      connectionName: options.name,
      retryStrategy: (attempt: number) => Math.min(20 * 2 ** Math.min(attempt, 4), 200),
    } as never)
    this.redis.on('error', () => {})
    this.redis.on('connect', () => this.#watch())
    this.redis.on('ready', () => this.#onReady())
    this.redis.on('close', () => this.#onLost())
    this.redis.on('end', () => this.#onEnd())
    this.#connect()
  }

  /** Whether commands can be sent. */
  get ready(): boolean {
    return this.#ready && this.redis.status === 'ready'
  }

  /**
   * What the server answers. Rejects when the connection is lost, of which ioredis would not tell, or when there is no answer for
   * `limit` milliseconds: then it is replaced. What lies in the socket when the time is over gets its turn first: a stall of this
   * process is not held against the server.
   */
  ask<T>(limit: number, send: (redis: Redis) => Promise<T>): Promise<T> {
    if (!this.ready) return Promise.reject(new Error('not connected'))
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        setImmediate(() => {
          if (this.#asking.has(fail)) this.reset()
        })
      }, limit).unref()
      const fail = (error: Error): void => {
        this.#asking.delete(fail)
        clearTimeout(timer)
        reject(error)
      }
      this.#asking.add(fail)
      send(this.redis).then((answer) => {
        this.#asking.delete(fail)
        clearTimeout(timer)
        resolve(answer)
      }, fail)
    })
  }

  /** Ends a connection that is of no use any more; another one follows. */
  reset(): void {
    if (!this.#closed) this.redis.disconnect(true)
  }

  /** Ends it for good. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#revival)
    this.#onLost()
    this.redis.disconnect()
  }

  #connect(): void {
    this.#watch()
    this.redis.connect().catch(() => {})
  }

  /** A connection that is taken and then says nothing would never be known to be lost. */
  #watch(): void {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.reset(), this.#options.limit).unref()
  }

  #onReady(): void {
    if (this.#closed) return
    clearTimeout(this.#watchdog)
    this.#ready = true
    this.#options.onReady(this.redis)
  }

  #onLost(): void {
    clearTimeout(this.#watchdog)
    if (!this.#ready) return
    this.#ready = false
    for (const fail of [...this.#asking]) fail(new Error('the connection was lost'))
    this.#options.onLost()
  }

  /** ioredis gives up when Sentinel tells of a failover while it is being asked for the primary. */
  #onEnd(): void {
    if (this.#closed) return
    clearTimeout(this.#revival)
    this.#revival = setTimeout(() => this.#connect(), GIVEN_UP).unref()
  }
}
