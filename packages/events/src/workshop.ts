import type { StandardSchema } from '@larder/core'
import type { FastifyBaseLogger } from 'fastify'
import { type Carrier, type EventsEvent, eventsChannel, type GapReason } from './channel.js'
import { UnavailableError } from './errors.js'
import type { ResolvedOptions } from './options.js'
import { messageOf, type Opened, type Parcel } from './parcel.js'
import type { EventStore } from './store.js'
import type { Tails } from './tail.js'

/** A payload that could not be read. */
export interface Invalid {
  readonly carrier: Carrier
  /** Of the topic or stream. */
  readonly name: string
  /** Of the stream's entry. */
  readonly id: string | undefined
  /** As it came. */
  readonly raw: string
  readonly reason: string
  /** What the schema said. */
  readonly issues: readonly { readonly message: string }[]
}

/** Is told of payloads that cannot be read; what it throws is logged. */
export type OnInvalid = (invalid: Invalid) => void
/** Is told that something may be missing, as soon as it is known; what it throws is logged. */
export type OnGap = (gap: { readonly carrier: Carrier; readonly name: string; readonly reason: GapReason }) => void

/** A consumer, as far as the application's end needs to know it. */
interface Stoppable {
  readonly held: number
  stop(): Promise<void>
}

/** Event of the diagnostics channel, without the registration. */
type Told = EventsEvent extends infer E ? (E extends EventsEvent ? Omit<E, 'app' | 'events'> : never) : never

/** What all topics and streams of a registration work with. */
export class Workshop {
  readonly store: EventStore
  readonly tails: Tails
  readonly options: ResolvedOptions
  readonly log: FastifyBaseLogger
  readonly #app: object
  readonly #name: string
  readonly #open = new Set<{ close(): void }>()
  readonly #consumers = new Set<Stoppable>()
  #closed = false

  constructor(parts: {
    app: object
    store: EventStore
    tails: Tails
    options: ResolvedOptions
    log: FastifyBaseLogger
  }) {
    this.store = parts.store
    this.tails = parts.tails
    this.options = parts.options
    this.log = parts.log
    this.#app = parts.app
    this.#name = parts.options.name ?? parts.options.namespace
  }

  /** Whether the application has been closed. */
  get closed(): boolean {
    return this.#closed
  }

  /** What is open at this moment: subscriptions, readings and browsers; consumers; entries that these hold. */
  get counts(): Record<string, number> {
    let held = 0
    for (const consumer of this.#consumers) held += consumer.held
    return { open: this.#open.size, consumers: this.#consumers.size, held }
  }

  /** Tells the diagnostics channel. */
  tell(event: Told): void {
    if (eventsChannel.hasSubscribers) eventsChannel.publish({ app: this.#app, events: this.#name, ...event })
  }

  /** Sends something. @throws `LARDER_EVENTS_UNAVAILABLE` */
  async send<T>(carrier: Carrier, name: string, work: () => Promise<T>): Promise<T> {
    let result: T
    try {
      this.#assertOpen()
      result = await work()
    } catch (error) {
      this.tell({ type: 'failed', carrier, name })
      throw new UnavailableError(name, messageOf(error), { cause: error })
    }
    this.tell({ type: 'sent', carrier, name })
    return result
  }

  /** Asks the store, and says in Larder's words why it could not be. @throws `LARDER_EVENTS_UNAVAILABLE` */
  async ask<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      this.#assertOpen()
      return await work()
    } catch (error) {
      throw new UnavailableError(name, messageOf(error), { cause: error })
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error('the application is closed')
  }

  /** Something may be missing. */
  gap(carrier: Carrier, name: string, reason: GapReason, onGap: OnGap | undefined): void {
    this.tell({ type: 'gap', carrier, name, reason })
    this.safely(() => onGap?.({ carrier, name, reason }))
  }

  /** What is in a parcel; `undefined` for what cannot be read, of which `onInvalid` was told. */
  async open(
    parcel: Parcel,
    schema: StandardSchema | undefined,
    where: { carrier: Carrier; name: string; onInvalid: OnInvalid | undefined },
  ): Promise<(Opened<object> & { state: 'valid' }) | undefined> {
    const opened = await parcel.open(schema)
    if (opened.state === 'valid') return opened
    this.invalid(parcel, opened, where)
    return undefined
  }

  /** Tells of a payload that cannot be read. */
  invalid(
    parcel: Parcel,
    { reason, issues }: { reason: string; issues: Invalid['issues'] },
    { carrier, name, onInvalid }: { carrier: Carrier; name: string; onInvalid: OnInvalid | undefined },
  ): void {
    this.tell({ type: 'invalid', carrier, name, reason })
    const tell = onInvalid ?? this.options.onInvalid
    if (tell) this.safely(() => tell({ carrier, name, id: parcel.id, raw: parcel.raw, reason, issues }))
    else
      this.log.warn({ carrier, name, id: parcel.id, reason }, 'larder: a payload that cannot be read was passed over')
  }

  /** Runs what belongs to the user, whose errors are not ours. */
  safely(call: () => unknown): void {
    const log = (err: unknown): void => this.log.error({ err }, 'larder: a callback of events failed')
    try {
      const result = call()
      if (result instanceof Promise) result.catch(log)
    } catch (error) {
      log(error)
    }
  }

  /** Ends it with the application; returns the end of that. */
  opened(closable: { close(): void }): () => void {
    if (this.#closed) closable.close()
    else this.#open.add(closable)
    return () => this.#open.delete(closable)
  }

  /** Stops it with the application; returns the end of that. */
  consuming(consumer: Stoppable): () => void {
    if (this.#closed) void consumer.stop()
    else this.#consumers.add(consumer)
    return () => this.#consumers.delete(consumer)
  }

  /** Lets all consumers finish what they are at. */
  async stop(): Promise<void> {
    this.close()
    await Promise.all([...this.#consumers].map((consumer) => consumer.stop()))
    this.#consumers.clear()
  }

  /** Ends everything that is open. */
  close(): void {
    this.#closed = true
    for (const closable of [...this.#open]) closable.close()
    this.#open.clear()
  }
}
