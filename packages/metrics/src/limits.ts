import type { RateLimitEvent } from '@larder/rate-limit'
import type { Book } from './book.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'

/** One limiter, as `metrics.snapshot()` tells of it. */
export interface LimitSnapshot {
  allowed: number
  limited: number
  banned: number
  /** Requests for which Redis could not be asked. */
  errors: number
}

/** What rate limits tell. */
export class Limits implements Recorder {
  readonly #end: () => void
  readonly #decisions
  readonly #errors

  constructor(book: Book) {
    this.#decisions = book.counter(SERIES.limits)
    this.#errors = book.counter(SERIES.limitErrors)
    this.#end = hear<RateLimitEvent>(book, 'rate-limit', (event) => this.#on(event))
  }

  snapshot(): Record<string, LimitSnapshot> {
    const limits: Record<string, LimitSnapshot> = {}
    const of = (name: string) => (limits[name] ??= { allowed: 0, limited: 0, banned: 0, errors: 0 })
    for (const { labels, value } of this.#decisions.cells)
      of(labels.limiter as string)[labels.decision as 'allowed' | 'limited' | 'banned'] += value
    for (const { labels, value } of this.#errors.cells) of(labels.limiter as string).errors += value
    return limits
  }

  close(): void {
    this.#end()
  }

  #on(event: RateLimitEvent): void {
    // Routes are known when they are first asked for.
    this.#decisions.open(event.limiter)
    this.#errors.open(event.limiter)
    if (event.type === 'error') this.#errors.cell(event.limiter, event.answer).add()
    else this.#decisions.cell(event.limiter, event.type, event.source).add()
  }
}
