import { invalidOption, type Key, logicalKey, OptionReader } from '@larder/core'
import { Consumer } from './consumer.js'
import { DeadLetters } from './dead-letters.js'
import { isEntryId } from './entry-id.js'
import type { Handler } from './handler.js'
import { type ConsumeOptions, type PayloadTerms, type ReadOptions, resolveConsume } from './options.js'
import { writePayload } from './payload.js'
import { openReading, type Reading } from './reading.js'
import type { OnGap, Workshop } from './workshop.js'

/** A stream: entries in order, kept until newer ones push them out, to be read from any place and by groups of consumers. */
export class Stream<Input = unknown, Output = Input> {
  readonly name: string
  readonly #workshop: Workshop
  readonly #terms: PayloadTerms & { readonly maxLength: number }

  /** Use {@link Events.stream}. */
  constructor(name: string, workshop: Workshop, terms: PayloadTerms & { readonly maxLength: number }) {
    this.name = name
    this.#workshop = workshop
    this.#terms = terms
  }

  /**
   * Adds an entry; resolves with its id when Redis has it.
   *
   * @throws `LARDER_EVENTS_UNAVAILABLE` when Redis does not answer by the `deadline`: it may have been added all the same;
   * `LARDER_EVENTS_INVALID_PAYLOAD`
   */
  async add(payload: Input): Promise<string> {
    const { store, options } = this.#workshop
    const { schema, maxLength } = this.#terms
    const written = writePayload(this.name, payload, { schema, limit: options.maxPayloadBytes })
    const text = typeof written === 'string' ? written : await written
    return this.#workshop.send('stream', this.name, () => store.add(this.name, text, maxLength))
  }

  /**
   * Entries after `after`, then those that are added, for as long as one reads. A lost connection loses none. Where the stream was
   * trimmed beyond `after`, `gap` is true for the first entry.
   *
   * @example
   * for await (const { id, payload, gap } of orders.read({ after: lastId, signal })) …
   */
  read(options?: ReadOptions): Reading<Output> {
    const reader = new OptionReader(options)
    const after = reader.value('after', 'the id of an entry', isEntryId, undefined)
    const signal = reader.signal('signal')
    const onGap = reader.function<OnGap, undefined>('onGap', undefined)
    reader.done()
    return openReading<Output>(this.#workshop, { ...this.#terms, name: this.name, after, signal, onGap })
  }

  /**
   * Hands every entry to one consumer of the group, over all processes, at least once: it is acknowledged after the handler has
   * resolved. Runs until it is stopped, or the application is closed, which both wait for handlers under way.
   *
   * @example
   * await using mailer = orders.consume('mailer', async ({ id, payload, attempt, signal }) => send(payload), { concurrency: 5 })
   */
  consume(group: Key, handler: Handler<Output>, options?: ConsumeOptions): Consumer<Output> {
    if (typeof handler !== 'function') throw invalidOption('handler', 'a function', handler)
    const workshop = this.#workshop
    const terms = resolveConsume(options, this.#terms)
    const name = logicalKey(group)
    const member = workshop.store.member(this.name, name)
    return new Consumer<Output>({ workshop, member, stream: this.name, group: name, handler, terms })
  }

  /** What a group could not handle: to be listed, replayed and discarded. */
  deadLetters(group: Key): DeadLetters {
    const graveyard = this.#workshop.store.graveyard(this.name, logicalKey(group))
    return new DeadLetters(this.#workshop, { name: this.name, graveyard, maxLength: this.#terms.maxLength })
  }
}
