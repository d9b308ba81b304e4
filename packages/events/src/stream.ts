import { OptionReader } from '@larder/core'
import { isEntryId } from './entry-id.js'
import type { PayloadTerms, ReadOptions } from './options.js'
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
    const text = await writePayload(this.name, payload, { schema, limit: options.maxPayloadBytes })
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
}
