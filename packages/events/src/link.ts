import { Clock, Heartbeat } from '@larder/core'
import type { Redis } from 'ioredis'
import { Wire } from './wire.js'

/** Options of a {@link Link}. */
export interface LinkOptions {
  readonly node: Redis
  /** Whether channels belong to slots: SSUBSCRIBE. */
  readonly sharded: boolean
  /** Milliseconds after which a connection that does not answer is replaced. */
  readonly heartbeat: number
  readonly on: LinkEvents
}

/** What a {@link Link} tells. */
export interface LinkEvents {
  /** Connected: nothing is subscribed to. */
  up(): void
  /** The connection is gone, and with it every subscription. */
  down(): void
  /** A channel is no longer this node's business. */
  moved(): void
  message(channel: string, raw: string): void
}

/** The one connection over which this process hears messages of a node. */
export class Link {
  /** What it was made of. */
  readonly node: Redis
  readonly #sharded: boolean
  readonly #wire: Wire
  readonly #heartbeat: Heartbeat

  constructor({ node, sharded, heartbeat, on }: LinkOptions) {
    this.node = node
    this.#sharded = sharded
    const clock = new Clock()
    this.#wire = new Wire({
      node,
      name: 'larder-events',
      // Each topic's mark is asked for on the connection that its messages come over: so it is known which of them came before.
      protocol: 3,
      limit: heartbeat,
      onReady: () => {
        this.#heartbeat.start()
        on.up()
      },
      onLost: () => {
        this.#heartbeat.stop()
        on.down()
      },
    })
    const { redis } = this.#wire
    this.#heartbeat = new Heartbeat({
      every: heartbeat / 4,
      limit: heartbeat,
      now: () => clock.now(),
      ask: () => redis.ping(),
      onAnswer: () => {},
      onSilence: () => this.#wire.reset(),
    })
    redis.on(sharded ? 'smessage' : 'message', on.message)
    // A slot was moved away, with its channels.
    redis.on('moved', on.moved)
  }

  /** Whether channels can be subscribed to. */
  get up(): boolean {
    return this.#wire.ready
  }

  /** Hears a channel; resolves with what the key held when it began, or after it. */
  async subscribe(channel: string, key: string): Promise<string> {
    const { redis } = this.#wire
    const [, mark] = await Promise.all([
      this.#sharded ? redis.ssubscribe(channel) : redis.subscribe(channel),
      redis.get(key),
    ])
    return mark ?? ''
  }

  unsubscribe(channel: string): void {
    if (!this.up) return
    const { redis } = this.#wire
    const done = this.#sharded ? redis.sunsubscribe(channel) : redis.unsubscribe(channel)
    done.catch(() => {})
  }

  close(): void {
    this.#wire.close()
  }
}
