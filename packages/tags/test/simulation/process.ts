import cacheAside, { type Cache } from '@larder/cache-aside'
import { Namespace } from '@larder/core'
import tagsPlugin, { type Tags } from '@larder/tags'
import fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { connectorOf, Wire } from './wire.js'

/** Milliseconds of simulated time that a feed is trusted without an answer. */
export const HEARTBEAT = 2_000

/** One process: an application with cache and tags, whose connections a test moves. */
export class SimProcess {
  readonly name: string
  readonly wires = new Set<Wire>()
  readonly app: FastifyInstance = fastify()
  readonly namespace: Namespace
  crashed = false
  readonly #redis: Redis

  constructor(name: string, port: number, namespace: string) {
    this.name = name
    const connect = (): Wire => {
      const wire = new Wire(port, (one) => this.wires.delete(one))
      this.wires.add(wire)
      if (this.crashed) wire.cut()
      return wire
    }
    const redis = new Redis({
      Connector: connectorOf(connect),
      protocol: 2,
      enableReadyCheck: false,
      disableClientInfo: true,
      retryStrategy: () => 100,
    })
    redis.on('error', () => {})
    const options = { namespace, deadline: '10s', feed: { heartbeat: HEARTBEAT } }
    this.app.register(tagsPlugin, { redis, ...options })
    this.app.register(cacheAside, { redis, ...options, ttl: '1h', staleWhileRevalidate: '1h' })
    const { log } = this.app
    this.namespace = Namespace.acquire(redis, {}, namespace, {
      log,
      deadline: 10_000,
      heartbeat: HEARTBEAT,
      replayFor: 30_000,
      outboxLimit: 10_000,
    })
    this.#redis = redis
  }

  get cache(): Cache {
    return this.app.cache
  }

  get tags(): Tags {
    return this.app.tags
  }

  /** The connection of the feed, or that of commands, if there is one now. */
  wire(of: 'feed' | 'commands'): Wire | undefined {
    const feed = (one: Wire): boolean => one.subscribed
    return [...this.wires].find((one) => one.open && feed(one) === (of === 'feed'))
  }

  /** Whether a call of this process may still be waiting for a change to reach Redis. */
  get keeps(): boolean {
    return (this.namespace.outbox?.pending ?? 0) > 0
  }

  /** Calls back when the feed has told this process of all that happened until now: at once, where it hears of nothing. */
  follow(heard: () => void): void {
    const feed = this.wire('feed')
    if (!feed?.listening) heard()
    else if (!feed.deaf) feed.toClient.push(heard)
    feed?.stream.setMaxListeners(0).once('close', heard)
  }

  /** The process dies, and with it what it has sent and nobody executed. */
  crash(): void {
    this.crashed = true
    for (const wire of this.wires) wire.cut()
  }

  async close(): Promise<void> {
    this.crash()
    this.#redis.disconnect()
    this.namespace.release()
    await this.app.close()
  }
}
