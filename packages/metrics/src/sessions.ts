import type { SessionEvent } from '@larder/sessions'
import type { Book } from './book.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'

/** The sessions of one registration, as `metrics.snapshot()` tells of them. */
export interface SessionsSnapshot {
  /** Requests whose session was there. */
  readonly live: number
  readonly absent: number
  readonly unavailable: number
  readonly created: number
  readonly ended: number
}

/** What sessions tell. */
export class Sessions implements Recorder {
  readonly #book: Book
  readonly #end: () => void
  readonly #loads
  readonly #changes
  readonly #ends

  constructor(book: Book) {
    this.#book = book
    this.#loads = book.counter(SERIES.sessionLoads)
    this.#changes = book.counter(SERIES.sessionChanges)
    this.#ends = book.counter(SERIES.sessionEnds)
    this.#end = hear<SessionEvent>(book, 'sessions', (event) => this.#on(event))
  }

  snapshot(): Record<string, SessionsSnapshot> {
    return Object.fromEntries(
      this.#book.states('sessions').map(({ name }) => {
        const loaded = (result: string) => this.#loads.cell(name, result).value
        const ended = (SERIES.sessionEnds.labels[1]?.values ?? []).map((reason) => this.#ends.cell(name, reason).value)
        return [
          name,
          {
            live: loaded('live'),
            absent: loaded('absent'),
            unavailable: loaded('unavailable'),
            created: this.#changes.cell(name, 'created').value,
            ended: ended.reduce((sum, value) => sum + value, 0),
          },
        ]
      }),
    )
  }

  open(name: string): void {
    for (const family of [this.#loads, this.#changes, this.#ends]) family.open(name)
  }

  close(): void {
    this.#end()
  }

  #on(event: SessionEvent): void {
    const { sessions } = event
    if (event.type === 'loaded') this.#loads.cell(sessions, event.result).add()
    else if (event.type === 'ended') this.#ends.cell(sessions, event.reason).add()
    else this.#changes.cell(sessions, event.type).add()
  }
}
