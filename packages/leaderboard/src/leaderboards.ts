import { escapeKey, type Key, logicalKey, RedisTimeoutError, RedisUnavailableError } from '@larder/core'
import { Board } from './board.js'
import { Calendar } from './calendar.js'
import { type LeaderboardEvent, leaderboardChannel, type Operation, type Outcome } from './channel.js'
import { UnavailableError } from './errors.js'
import { type BoardOptions, resolveBoard } from './options.js'
import type { Desk } from './standings.js'
import type { BoardStore, Place } from './store.js'

/** What the boards of one registration share. */
export interface Workshop {
  readonly store: BoardStore
  /** The application, for events. */
  readonly app: object
  /** The registration's name in events. */
  readonly leaderboards: string
  readonly timeZone: string
}

/** Boards by name: `fastify.leaderboards`. */
export class Leaderboards {
  readonly #workshop: Workshop

  constructor(workshop: Workshop) {
    this.#workshop = workshop
  }

  /**
   * A board; made anew at each call, kept in the store. Boards of one name that differ in `window`, `timeZone` or `tie` are
   * different ones.
   *
   * @throws `LARDER_INVALID_OPTION`, `LARDER_INVALID_KEY`
   * @example
   * const board = app.leaderboards.board('best-sellers', { window: 'week', timeZone: 'Europe/Berlin' })
   * await board.increment('mug')
   * const [{ member, score, rank }] = await board.top(1)
   */
  board(name: Key, options?: BoardOptions): Board {
    const { store, timeZone: zone } = this.#workshop
    const { window, keep, tie, timeZone } = resolveBoard(options, zone)
    const logical = logicalKey(name)
    const escaped = escapeKey(logical)
    const call = this.#caller(logical)
    if (window === 'all') {
      const place: Place = { name: escaped, tie, period: undefined, key: `${tie}:all` }
      return new Board({ store, place: () => place, call }, 0)
    }
    const calendar = new Calendar(window, timeZone, keep)
    const at = (now: number, back: number): Place => {
      const period = calendar.at(now, back)
      return { name: escaped, tie, period, key: `${tie}:${window}:${timeZone}:${period.id}` }
    }
    const place = (back: number) => {
      const now = store.now()
      return now instanceof Promise ? now.then((now) => at(now, back)) : at(now, back)
    }
    return new Board({ store, place, call }, keep)
  }

  #caller(board: string): Desk['call'] {
    const { app, leaderboards } = this.#workshop
    const settled = async <T>(operation: Operation, run: () => T | Promise<T>): Promise<T> => {
      if (!leaderboardChannel.hasSubscribers) return await run()
      const begun = performance.now()
      let outcome: Outcome = 'error'
      try {
        const answer = await run()
        outcome = 'ok'
        return answer
      } catch (error) {
        if (isRedis(error)) outcome = 'unavailable'
        throw error
      } finally {
        const milliseconds = performance.now() - begun
        const event: LeaderboardEvent = { app, leaderboards, board, operation, outcome, milliseconds }
        leaderboardChannel.publish(event)
      }
    }
    return async (operation, run) => {
      try {
        return await settled(operation, run)
      } catch (error) {
        if (isRedis(error)) throw new UnavailableError(board, error.message, { cause: error })
        throw error
      }
    }
  }
}

/** Whether Redis was not reached, or refused: out of memory, no such command, a key that holds something else. */
function isRedis(error: unknown): error is Error {
  if (error instanceof RedisUnavailableError || error instanceof RedisTimeoutError) return true
  return error instanceof Error && error.name === 'ReplyError'
}
