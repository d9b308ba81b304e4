import { OptionReader } from '@larder/core'
import { Mailbox } from './mailbox.js'
import { type PayloadTerms, readLimits, type SubscribeOptions } from './options.js'
import { writePayload } from './payload.js'
import { Source } from './source.js'
import type { OnGap, Workshop } from './workshop.js'

/** A message of a topic. */
export interface Message<T> {
  /** Shared by all subscribers of this process and frozen, unless a schema made it. */
  readonly payload: T
  /** Whether messages may be missing before this one. */
  readonly gap: boolean
}

/** Messages of a topic, from now on. */
export type Subscription<T> = Source<Message<T>, 'at-most-once'>

/** A topic: what is published on it reaches whoever listens at that moment, in the order in which it was published. */
export class Topic<Input = unknown, Output = Input> {
  readonly name: string
  readonly #workshop: Workshop
  readonly #terms: PayloadTerms

  /** Use {@link Events.topic}. */
  constructor(name: string, workshop: Workshop, terms: PayloadTerms) {
    this.name = name
    this.#workshop = workshop
    this.#terms = terms
  }

  /**
   * Publishes a message; resolves with the number of processes that were told (on Cluster, those that the node of the topic knows).
   *
   * @throws `LARDER_EVENTS_UNAVAILABLE` when Redis does not answer by the `deadline`: it may have been published all the same;
   * `LARDER_EVENTS_INVALID_PAYLOAD`
   */
  async publish(payload: Input): Promise<number> {
    const { store, options } = this.#workshop
    const { schema } = this.#terms
    const written = writePayload(this.name, payload, { schema, limit: options.maxPayloadBytes })
    const text = typeof written === 'string' ? written : await written
    return this.#workshop.send('topic', this.name, () => store.publish(this.name, text))
  }

  /**
   * Messages that are published from now on, as soon as `ready` has resolved. A lost connection comes back by itself, and what was
   * missed meanwhile is told of: `gap` is true for the first message after it, and `onGap` is called.
   *
   * @example
   * for await (const { payload, gap } of topic.subscribe({ signal })) if (gap) await reload()
   */
  subscribe(options?: SubscribeOptions): Subscription<Output> {
    const workshop = this.#workshop
    const reader = new OptionReader(options)
    const signal = reader.signal('signal')
    const onGap = reader.function<OnGap, undefined>('onGap', undefined)
    const mailbox = new Mailbox(readLimits(reader, workshop.options.limits))
    reader.done()
    const { name } = this
    let leave = (): void => {}
    let forget = (): void => {}
    const ready = new Promise<void>((armed) => {
      if (signal?.aborted || workshop.closed) return
      leave = workshop.store.subscribe(name, {
        armed,
        heard: (parcel, gap) => {
          if (gap) workshop.gap('topic', name, 'connection', onGap)
          if (mailbox.put(parcel, gap)) workshop.gap('topic', name, 'slow', onGap)
        },
        missed: () => {
          mailbox.missed()
          workshop.gap('topic', name, 'connection', onGap)
        },
      })
    })
    const source: Subscription<Output> = new Source<Message<Output>, 'at-most-once'>({
      guarantee: 'at-most-once',
      ready,
      signal,
      items: () => this.#messages(mailbox),
      onEnd: () => {
        leave()
        mailbox.close()
        forget()
      },
    })
    forget = workshop.opened(source)
    if (source.closed) forget()
    return source
  }

  async *#messages(mailbox: Mailbox): AsyncGenerator<Message<Output>, void, void> {
    const where = { carrier: 'topic', name: this.name, onInvalid: this.#terms.onInvalid } as const
    let gap = false
    for (let mail = await mailbox.take(); mail; mail = await mailbox.take()) {
      gap ||= mail.gap
      const opened = await this.#workshop.open(mail.parcel, this.#terms.schema, where)
      if (!opened) continue
      const item = opened.item as Message<Output>
      yield gap ? Object.freeze({ ...item, gap }) : item
      gap = false
    }
  }
}
