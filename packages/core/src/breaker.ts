import type { Cluster, Redis } from 'ioredis'
import { type RedisEvent, redisChannel } from './channels.js'

/** A client of ioredis, supplied by the user: never closed, never configured by a plugin. */
export type RedisClient = Redis | Cluster

/** What a breaker logs with: a Fastify logger fits. */
export interface Log {
  warn(details: object, message: string): void
  info(details: object, message: string): void
}

/** Runs after Redis is back and before anybody else is let through; throwing keeps the breaker open. */
export type Recovery = () => Promise<void>

const PROBE_EVERY = 100
/** A probe may take longer than an operation: it holds nobody up. */
const PROBE_LIMIT = 1_000

const breakers = new WeakMap<RedisClient, Breaker>()

/**
 * Knows, for one client, whether Redis can be asked. Opens at the first missed deadline or lost connection, probes with a
 * PING every 100 ms, runs every {@link Recovery} (the replay of invalidations, G8), then closes again. One a client, shared
 * by all plugins; ends with its last user.
 */
export class Breaker {
  readonly #client: RedisClient
  readonly #log: Log
  readonly #recoveries = new Set<Recovery>()
  readonly #listeners = new Set<(up: boolean) => void>()
  #users = 0
  #deadline = PROBE_LIMIT
  #state: 'connecting' | 'up' | 'down' = 'connecting'
  #reason = 'not connected yet'
  #probing = false
  #recovering = false
  #timer: NodeJS.Timeout | undefined
  #ownsErrorListener = false
  #errorLogged = false
  #first: PromiseWithResolvers | undefined

  /** The breaker of this client; each user calls {@link release} once. */
  static acquire(client: RedisClient, log: Log, deadline: number = PROBE_LIMIT): Breaker {
    let breaker = breakers.get(client)
    if (!breaker) {
      breaker = new Breaker(client, log)
      breakers.set(client, breaker)
    }
    breaker.#users++
    breaker.#deadline = Math.min(breaker.#deadline, deadline)
    return breaker
  }

  /** Whether the commands of this client are let through; `undefined` when no plugin uses it. */
  static isUp(client: RedisClient): boolean | undefined {
    return breakers.get(client)?.up
  }

  private constructor(client: RedisClient, log: Log) {
    this.#client = client
    this.#log = log
    client.on('ready', this.#onReady)
    client.on('close', this.#onClose)
    client.on('end', this.#onClose)
    if (client.listenerCount('error') === 0) {
      this.#ownsErrorListener = true
      client.on('error', this.#onError)
    }
    if (client.status === 'ready') this.#state = 'up'
    else if (client.status === 'wait') client.connect().catch(() => {})
    if (this.#state !== 'up') this.#schedule()
  }

  /** Whether commands are let through. */
  get up(): boolean {
    return this.#state === 'up'
  }

  /** Whether this client has not been connected yet since it was first used here. */
  get connecting(): boolean {
    return this.#state === 'connecting'
  }

  /** Whether recoveries run: Redis answers, and nobody but them is let through yet. What is due now must not wait for a recovery. */
  get recovering(): boolean {
    return this.#recovering
  }

  /** Why commands are held back. */
  get reason(): string {
    return this.#reason
  }

  /** Resolves when the client was up for the first time, or is known to be down; at most after `limit` milliseconds. */
  settled(limit: number): Promise<void> {
    if (this.#state !== 'connecting') return Promise.resolve()
    this.#first ??= withResolvers()
    const { promise } = this.#first
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limit)
      void promise.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Tells of every change; returns the end of it. */
  onChange(listener: (up: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Adds what must be done before Redis is trusted again; returns its removal. */
  onRecovery(recovery: Recovery): () => void {
    this.#recoveries.add(recovery)
    return () => this.#recoveries.delete(recovery)
  }

  /** Opens the breaker: a deadline was missed, a connection lost, or an invalidation failed. Voids a recovery under way. */
  trip(reason: string): void {
    this.#reason = reason
    this.#recovering = false
    if (this.#state !== 'down') {
      this.#set('down')
      this.#log.warn({ reason }, 'larder: Redis is unavailable, going on without it')
    }
    this.#schedule()
  }

  /**
   * Another connection reached the server, at this address: connect now rather than wait for the client's back-off. A client that
   * Sentinel directs and that is still at the old primary, which may answer for a while, is sent to the new one.
   */
  nudge(address?: string): void {
    const client = this.#client
    if (client.status === 'reconnecting') client.connect().catch(() => {})
    else if (client.status === 'ready' && !('nodes' in client) && client.options.sentinels) {
      if (address === undefined || addressOf(client) === address) return
      this.trip('Sentinel has made another server the primary')
      client.disconnect(true)
    }
  }

  /** Ends one user's interest; the last one's end removes every listener and timer. */
  release(): void {
    if (--this.#users > 0) return
    breakers.delete(this.#client)
    clearTimeout(this.#timer)
    this.#client.off('ready', this.#onReady)
    this.#client.off('close', this.#onClose)
    this.#client.off('end', this.#onClose)
    // Its reconnecting may go on: without any listener ioredis would print each error.
    if (this.#ownsErrorListener && this.#client.status === 'ready') this.#client.off('error', this.#onError)
  }

  readonly #onReady = (): void => void this.#probe()
  readonly #onClose = (): void => this.trip('the connection was closed')
  readonly #onError = (error: Error): void => {
    if (this.#errorLogged) return
    this.#errorLogged = true
    this.#log.warn({ err: error }, 'larder: the Redis client has no error listener; its first error is')
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.#probe()
    }, PROBE_EVERY).unref()
  }

  async #probe(): Promise<void> {
    if (this.#state === 'up' || this.#probing) return
    this.#probing = true
    try {
      if (this.#client.status !== 'ready') throw new Error(`the client is ${this.#client.status}`)
      const asked = performance.now()
      await within(PROBE_LIMIT, ping(this.#client))
      // A Redis that answers later than a deadline would be left again at once, over and over.
      const took = performance.now() - asked
      if (took > this.#deadline) throw new Error(`an answer takes ${Math.round(took)} ms`)
      this.#recovering = true
      for (const recovery of this.#recoveries) await within(PROBE_LIMIT * 5, recovery())
      if (this.#recovering && this.#client.status === 'ready') this.#set('up')
    } catch (error) {
      this.#reason = error instanceof Error ? error.message : String(error)
    } finally {
      this.#recovering = false
      this.#probing = false
    }
    if (!this.up && breakers.get(this.#client) === this) this.#schedule()
  }

  #set(state: 'up' | 'down'): void {
    if (state === 'up' && this.#state === 'down') this.#log.info({}, 'larder: Redis is back')
    this.#state = state
    this.#first?.resolve()
    redisChannel.publish({ client: this.#client, type: state, reason: this.#reason } satisfies RedisEvent)
    for (const listener of this.#listeners) listener(state === 'up')
  }
}

/** Where a client is connected to. */
export function addressOf({ stream }: Redis): string | undefined {
  return stream?.remotePort === undefined ? undefined : `${stream.remoteAddress} ${stream.remotePort}`
}

async function ping(client: RedisClient): Promise<void> {
  // A Cluster is up when all of its masters answer, else a part of the keys would run into the deadline each time.
  const nodes = 'nodes' in client ? client.nodes('master') : [client]
  await Promise.all(nodes.map((node) => node.ping()))
}

interface PromiseWithResolvers {
  promise: Promise<void>
  resolve: () => void
}

function withResolvers(): PromiseWithResolvers {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function within<T>(limit: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${limit} ms`)), limit).unref()
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
