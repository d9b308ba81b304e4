import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** What is written behind: changes kept, rows that reached the database, and the changes that wait for their flush. */
export type BacklogFigures = { stored: number; flushed: number; backlog: number }

/** As the plugin publishes it. */
type Event = { type: string; name: string; shard: number; entries: number; took: number }
type Kept = { at: number; entries: number }

const CHANNEL = 'larder:write-behind'

/** Counts what waits to be flushed: what was stored since the last flush of its shard began. Many changes may become one row. */
export class Backlog {
  readonly #waiting = new Map<string, Kept[]>()
  #stored = 0
  #flushed = 0
  readonly #hear = (message: unknown) => this.#on(message as Event) // nobody else publishes there

  constructor() {
    subscribe(CHANNEL, this.#hear)
  }

  figures(): BacklogFigures {
    let backlog = 0
    for (const kept of this.#waiting.values()) for (const { entries } of kept) backlog += entries
    return { stored: this.#stored, flushed: this.#flushed, backlog }
  }

  /** Counts no more. */
  close(): void {
    unsubscribe(CHANNEL, this.#hear)
  }

  #on({ type, name, shard, entries, took }: Event): void {
    const place = `${name} ${shard}`
    const kept = this.#waiting.get(place) ?? []
    if (type === 'stored') {
      this.#stored += entries
      this.#waiting.set(place, [...kept, { at: performance.now(), entries }])
    } else if (type === 'flushed') {
      this.#flushed += entries
      const began = performance.now() - took
      this.#waiting.set(
        place,
        kept.filter(({ at }) => at > began),
      )
    }
  }
}
