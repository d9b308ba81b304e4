import { InvalidKeyError, invalidOption, OptionReader } from '@larder/core'
import type { Operation } from './channel.js'
import type { BoardStore, Place } from './store.js'

/** One line of a board. */
export interface Standing {
  readonly member: string
  readonly score: number
  /** From 1. No two members share one. */
  readonly rank: number
}

/** Options of {@link Standings.top}. */
export interface TopOptions {
  /** How many to leave out from the top: the next page. Default 0. */
  offset?: number
}

/** Whose standings, and how a call is made: `run` at the right place, told of on the channel, with coded errors. */
export interface Desk {
  readonly store: BoardStore
  place(back: number): Place | Promise<Place>
  call<T>(operation: Operation, run: () => T | Promise<T>): Promise<T>
}

/** Bytes of a member's name at most. */
const MAX_BYTES = 512

/**
 * Who has how many points, the highest score first. Every call is one command and rejects with `LARDER_LEADERBOARD_UNAVAILABLE`
 * when Redis is away.
 */
export class Standings {
  protected readonly desk: Desk
  readonly #back: number

  /** Made by {@link Leaderboards.board} and {@link Board.past}. */
  constructor(desk: Desk, back: number) {
    this.desk = desk
    this.#back = back
  }

  /**
   * The best so many; fewer when there are not that many.
   *
   * @example await board.top(10, { offset: 20 }) // the third page
   */
  top(count: number, options?: TopOptions): Promise<Standing[]> {
    return this.desk.call('top', async () => {
      checkCount('count', count, 1)
      const offset = options === undefined ? 0 : readOffset(options)
      return this.desk.store.top(await this.place(), offset, count)
    })
  }

  /** The member's rank and score; `undefined` when it has none. O(log n). */
  rank(member: string | number): Promise<Standing | undefined> {
    return this.desk.call('rank', async () => {
      const name = memberName(member)
      const place = this.place()
      return this.desk.store.rank(place instanceof Promise ? await place : place, name)
    })
  }

  /** The member with up to `each` members before it and as many after it, the best first; none when it has no score. */
  around(member: string | number, each: number): Promise<Standing[]> {
    return this.desk.call('around', async () => {
      const name = memberName(member)
      checkCount('each', each, 0)
      return this.desk.store.around(await this.place(), name, each)
    })
  }

  /** How many have a score. */
  count(): Promise<number> {
    return this.desk.call('count', async () => this.desk.store.count(await this.place()))
  }

  /** From when (included) until when (not included) scores count; `undefined` for ever. */
  async window(): Promise<{ start: Date; end: Date } | undefined> {
    const { period } = await this.desk.call('window', () => this.place())
    return period && { start: new Date(period.start), end: new Date(period.end) }
  }

  protected place(): Place | Promise<Place> {
    return this.desk.place(this.#back)
  }
}

/**
 * The name of a member.
 *
 * @throws `LARDER_INVALID_KEY` for an empty one, one over 512 bytes, or what is no text
 */
export function memberName(member: unknown): string {
  if (typeof member === 'number' && Number.isFinite(member)) return String(member)
  if (typeof member === 'string' && member !== '' && member.length <= MAX_BYTES && member.isWellFormed()) {
    if (member.length <= MAX_BYTES / 3 || Buffer.byteLength(member) <= MAX_BYTES) return member
  }
  throw new InvalidKeyError(`Expected a member of a leaderboard to be well-formed text of 1 to ${MAX_BYTES} bytes`)
}

function readOffset(raw: TopOptions): number {
  const reader = new OptionReader(raw)
  const offset = reader.integer('offset', 0, 0)
  reader.done()
  return offset
}

function checkCount(name: string, value: unknown, min: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < min)
    throw invalidOption(name, `a whole number of at least ${min}`, value)
}
