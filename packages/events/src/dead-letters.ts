import { OptionReader } from '@larder/core'
import { fieldOf, PAYLOAD } from './entries.js'
import { completeId, isEntryId, START } from './entry-id.js'
import type { Grave, Graveyard } from './store.js'
import type { Workshop } from './workshop.js'

/** An entry whose handler failed at every attempt, or that could not be read. */
export interface DeadLetter {
  /** Of the dead letter. */
  readonly id: string
  /** Of the entry, when it was in the stream. */
  readonly entry: string
  readonly attempts: number
  /** When it was given up. */
  readonly at: Date
  /** What the last error said. */
  readonly reason: string
  /** As it was stored: JSON, if Larder added it. */
  readonly raw: string
}

/** Options of {@link DeadLetters.list}. */
export interface ListOptions {
  /** Id of the dead letter to list on from. Default: from the oldest. */
  after?: string
  /** How many at most. Default 100. */
  limit?: number
}

const PAGE = 100

/** What a group could not handle. */
export class DeadLetters {
  readonly #workshop: Workshop
  readonly #name: string
  readonly #graveyard: Graveyard
  readonly #maxLength: number

  /** Use {@link Stream.deadLetters}. */
  constructor(workshop: Workshop, parts: { name: string; graveyard: Graveyard; maxLength: number }) {
    this.#workshop = workshop
    this.#name = parts.name
    this.#graveyard = parts.graveyard
    this.#maxLength = parts.maxLength
  }

  /** The oldest ones. @throws `LARDER_EVENTS_UNAVAILABLE` */
  async list(options?: ListOptions): Promise<DeadLetter[]> {
    const reader = new OptionReader(options)
    const after = reader.value('after', 'the id of a dead letter', isEntryId, START)
    const limit = reader.integer('limit', PAGE)
    reader.done()
    return (await this.#ask(() => this.#graveyard.list(completeId(after), limit))).map(toLetter)
  }

  /** How many there are. @throws `LARDER_EVENTS_UNAVAILABLE` */
  count(): Promise<number> {
    return this.#ask(() => this.#graveyard.count())
  }

  /**
   * Adds entries to the stream again, for this group only, and takes them from the dead letters; resolves with how many there were.
   * Without ids: all.
   *
   * @throws `LARDER_EVENTS_UNAVAILABLE`
   */
  replay(...ids: string[]): Promise<number> {
    return this.#each(ids, (some) => this.#graveyard.replay(some, this.#maxLength))
  }

  /** Takes entries from the dead letters, for good. Without ids: all. @throws `LARDER_EVENTS_UNAVAILABLE` */
  discard(...ids: string[]): Promise<number> {
    return this.#each(ids, (some) => this.#graveyard.discard(some))
  }

  async #each(ids: readonly string[], act: (ids: readonly string[]) => Promise<number>): Promise<number> {
    if (ids.length > 0) return this.#ask(() => act(ids))
    // Those of now: what fails again while it lasts would else be taken again, for ever.
    let left = await this.count()
    let count = 0
    while (left > 0) {
      const some = await this.#ask(() => this.#graveyard.list(START, Math.min(left, PAGE)))
      if (some.length === 0) break
      count += await this.#ask(() => act(some.map(({ id }) => id)))
      left -= some.length
    }
    return count
  }

  #ask<T>(work: () => Promise<T>): Promise<T> {
    return this.#workshop.ask(this.#name, work)
  }
}

function toLetter({ id, fields }: Grave): DeadLetter {
  const [, entry = '', , attempts, , at, , reason = '', ...own] = fields
  return {
    id,
    entry,
    attempts: Number(attempts),
    at: new Date(Number(at)),
    reason,
    raw: fieldOf(own, PAYLOAD) ?? JSON.stringify(own),
  }
}
