import type { LeaderboardEvent } from '@larder/leaderboard'
import type { Book } from './book.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'

/** The leaderboards of one registration, as `metrics.snapshot()` tells of them. */
export interface LeaderboardsSnapshot {
  readonly calls: number
  readonly unavailable: number
}

/** What leaderboards tell. */
export class Leaderboards implements Recorder {
  readonly #book: Book
  readonly #end: () => void
  readonly #calls
  readonly #times

  constructor(book: Book) {
    this.#book = book
    this.#calls = book.counter(SERIES.boardCalls)
    this.#times = book.distribution(SERIES.boardTimes)
    this.#end = hear<LeaderboardEvent>(book, 'leaderboard', (event) => {
      this.#calls.cell(event.leaderboards, event.operation, event.outcome).add()
      this.#times.cell(event.leaderboards).add(event.milliseconds / 1_000)
    })
  }

  snapshot(): Record<string, LeaderboardsSnapshot> {
    return Object.fromEntries(
      this.#book.states('leaderboard').map(({ name }) => {
        let calls = 0
        let unavailable = 0
        for (const { labels, value } of this.#calls.cells) {
          if (labels.leaderboards !== name) continue
          calls += value
          if (labels.outcome === 'unavailable') unavailable += value
        }
        return [name, { calls, unavailable }]
      }),
    )
  }

  open(name: string): void {
    for (const family of [this.#calls, this.#times]) family.open(name)
  }

  close(): void {
    this.#end()
  }
}
