import type { EventsEvent } from '@larder/events'
import type { Book } from './book.js'
import type { Count, Family } from './family.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'

/** The events of one registration, as `metrics.snapshot()` tells of them. */
export interface EventsSnapshot {
  readonly sent: number
  readonly failed: number
  readonly gaps: number
  readonly invalid: number
  readonly handled: number
  readonly retried: number
  readonly buried: number
}

/** What topics and streams tell. */
export class Events implements Recorder {
  readonly #book: Book
  readonly #end: () => void
  readonly #sent
  readonly #gaps
  readonly #invalid
  readonly #handled
  readonly #times

  constructor(book: Book) {
    this.#book = book
    this.#sent = book.counter(SERIES.eventsSent)
    this.#gaps = book.counter(SERIES.eventGaps)
    this.#invalid = book.counter(SERIES.eventsInvalid)
    this.#handled = book.counter(SERIES.eventsHandled)
    this.#times = book.distribution(SERIES.eventTimes)
    this.#end = hear<EventsEvent>(book, 'events', (event) => this.#on(event))
  }

  snapshot(): Record<string, EventsSnapshot> {
    const sum = (family: Family<Count>, name: string, ...outcome: string[]) => {
      let total = 0
      for (const { labels, value } of family.cells)
        if (labels.events === name && (outcome.length === 0 || outcome.includes(labels.outcome ?? ''))) total += value
      return total
    }
    return Object.fromEntries(
      this.#book.states('events').map(({ name }) => [
        name,
        {
          sent: sum(this.#sent, name, 'sent'),
          failed: sum(this.#sent, name, 'failed'),
          gaps: sum(this.#gaps, name),
          invalid: sum(this.#invalid, name),
          handled: sum(this.#handled, name, 'handled'),
          retried: sum(this.#handled, name, 'retried'),
          buried: sum(this.#handled, name, 'buried'),
        },
      ]),
    )
  }

  open(name: string): void {
    for (const family of [this.#sent, this.#gaps, this.#invalid, this.#handled, this.#times]) family.open(name)
  }

  close(): void {
    this.#end()
  }

  #on(event: EventsEvent): void {
    const { events, carrier } = event
    switch (event.type) {
      case 'sent':
      case 'failed':
        this.#sent.cell(events, carrier, event.type).add()
        break
      case 'gap':
        this.#gaps.cell(events, carrier, event.reason).add()
        break
      case 'invalid':
        this.#invalid.cell(events, carrier).add()
        break
      case 'handled':
      case 'retried':
        this.#handled.cell(events, event.type).add()
        this.#times.cell(events).add(event.took / 1_000)
        break
      case 'buried':
        this.#handled.cell(events, event.type).add()
    }
  }
}
