import { invalidOption, OptionReader } from '@larder/core'
import { InvalidScoreError } from './errors.js'
import { type Desk, memberName, Standings } from './standings.js'
import { type Change, MOVED, type Place } from './store.js'

/** Options of {@link Board.set}. */
export interface SetOptions {
  /** Changes the score only if the new one is higher (or lower) than the one the member has, or it has none. Default: always. */
  only?: 'higher' | 'lower'
}

/** A leaderboard: the standings of its current window, and their changes. */
export class Board extends Standings {
  readonly #keep: number

  /** Made by {@link Leaderboards.board}; `keep`: 0 for a board without windows. */
  constructor(desk: Desk, keep: number) {
    super(desk, 0)
    this.#keep = keep
  }

  /**
   * Adds to a score, which begins at 0, and returns what it is then.
   *
   * @param by default 1; may be negative or a fraction
   * @throws `LARDER_LEADERBOARD_INVALID_SCORE` when that would be no finite number
   */
  increment(member: string | number, by = 1): Promise<number> {
    return this.desk.call('increment', () => this.#change(member, 'by', by))
  }

  /**
   * Sets a score and returns what it is then. The same score again changes nothing: a tie goes by when it was reached.
   *
   * @throws `LARDER_LEADERBOARD_INVALID_SCORE` for what is no finite number
   * @example await board.set('ann', 4_200, { only: 'higher' }) // her best result
   */
  set(member: string | number, score: number, options?: SetOptions): Promise<number> {
    return this.desk.call('set', () => this.#change(member, options === undefined ? 'to' : readHow(options), score))
  }

  /** Takes a member off the board. Returns whether it was there. */
  remove(member: string | number): Promise<boolean> {
    return this.desk.call('remove', async () => {
      const name = memberName(member)
      return this.#settled((place) => this.desk.store.remove(place, name))
    })
  }

  /** Takes all members off the board. */
  clear(): Promise<void> {
    return this.desk.call<void>('clear', () => this.#settled((place) => this.desk.store.clear(place)))
  }

  /**
   * The standings of an earlier window; 1: the last one.
   *
   * @throws `LARDER_INVALID_OPTION` for one that is not kept, or a board without windows
   */
  past(windows: number): Standings {
    if (Number.isSafeInteger(windows) && windows >= 1 && windows < this.#keep) return new Standings(this.desk, windows)
    const rule = this.#keep === 0 ? 'asked of a board with a window' : `a whole number from 1 to ${this.#keep - 1}`
    throw invalidOption('windows', rule, windows)
  }

  async #change(member: string | number, how: Change['how'], amount: number): Promise<number> {
    const name = memberName(member)
    if (!Number.isFinite(amount)) throw new InvalidScoreError(describe(amount))
    // -0 equals 0 and would be told apart by its bits.
    const change: Change = { member: name, how, amount: amount === 0 ? 0 : amount }
    const score = await this.#settled((place) => this.desk.store.change(place, change))
    if (score === undefined) throw new InvalidScoreError('a sum that is none')
    return score
  }

  /** Asks again where the window ended on the way: the store then knows the time. */
  async #settled<T>(ask: (place: Place) => Promise<T | typeof MOVED>): Promise<T> {
    for (;;) {
      const answer = await ask(await this.place())
      if (answer !== MOVED) return answer
    }
  }
}

function readHow(raw: SetOptions): Change['how'] {
  const reader = new OptionReader(raw)
  const only = reader.value(
    'only',
    "`'higher'` or `'lower'`",
    (value): value is 'higher' | 'lower' => value === 'higher' || value === 'lower',
    'to' as const,
  )
  reader.done()
  return only
}

function describe(amount: unknown): string {
  return typeof amount === 'number' ? String(amount) : `a ${typeof amount}`
}
