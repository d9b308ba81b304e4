import type { ResponseEvent } from '@larder/response-cache'
import type { Book } from './book.js'
import { hitRate } from './caches.js'
import { type Count, inMs } from './family.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'
import { STATUSES } from './series.js'

type Status = (typeof STATUSES)[number]

/** The whole responses of one registration, as `metrics.snapshot()` tells of them. */
export interface ResponsesSnapshot {
  readonly hits: number
  readonly stale: number
  readonly misses: number
  readonly revalidated: number
  readonly collapsed: number
  readonly bypass: number
  readonly errors: number
  /** All requests. */
  readonly requests: number
  /** Share of the requests that were answered with what was kept, stale answers included; `undefined` of none. */
  readonly hitRate: number | undefined
  /** Median milliseconds from the lookup to the answer, estimated from buckets; `undefined` of none. */
  readonly hitMs: number | undefined
  readonly missMs: number | undefined
  readonly refreshes: number
  readonly purges: number
}

/** What response caches tell. */
export class Responses implements Recorder {
  readonly #end: () => void
  /** The cells of each route of each registration: a hit must find its own at once. */
  readonly #routes = new Map<string, Map<string, Record<Status, Count>>>()
  readonly #requests
  readonly #times
  readonly #refreshes
  readonly #purges

  constructor(book: Book) {
    this.#requests = book.counter(SERIES.httpRequests)
    this.#times = book.distribution(SERIES.httpTimes)
    this.#refreshes = book.counter(SERIES.httpRefreshes)
    this.#purges = book.counter(SERIES.httpPurges)
    this.#end = hear<ResponseEvent>(book, 'responses', (event) => this.#on(event))
  }

  snapshot(): Record<string, ResponsesSnapshot> {
    return Object.fromEntries([...this.#routes].map(([name, routes]) => [name, this.#tell(name, [...routes.values()])]))
  }

  open(name: string, route?: string): void {
    for (const family of [this.#times, this.#refreshes, this.#purges]) family.open(name)
    if (!this.#routes.has(name)) this.#routes.set(name, new Map())
    if (route !== undefined) this.#cells(name, route)
  }

  close(): void {
    this.#end()
  }

  #on(event: ResponseEvent): void {
    const { cache } = event
    if (event.type === 'purge') this.#purges.cell(cache, event.what).add()
    else if (event.type === 'refresh') this.#refreshes.cell(cache).add()
    else {
      const cells = this.#routes.get(cache)?.get(event.route) ?? this.#cells(cache, event.route)
      cells[event.result].value++
      this.#times.cell(cache, event.result).add(event.milliseconds / 1_000)
    }
  }

  #cells(name: string, route: string): Record<Status, Count> {
    const cells = Object.fromEntries(
      STATUSES.map((status) => [status, this.#requests.cell(name, route, status)]),
    ) as Record<Status, Count>
    const routes = this.#routes.get(name) ?? new Map<string, Record<Status, Count>>()
    this.#routes.set(name, routes.set(route, cells))
    return cells
  }

  #tell(name: string, routes: readonly Record<Status, Count>[]): ResponsesSnapshot {
    // Routes beyond the bound share their cells.
    const cells = (status: Status) => new Set(routes.map((cells) => cells[status]))
    const count = (status: Status) => [...cells(status)].reduce((sum, { value }) => sum + value, 0)
    const [hits, stale, misses] = [count('hit'), count('stale'), count('miss')]
    const requests = STATUSES.reduce((sum, status) => sum + count(status), 0)
    const median = (status: Status) => inMs(this.#times.cell(name, status).quantile(0.5))
    const purges = (SERIES.httpPurges.labels[1]?.values ?? []).map((what) => this.#purges.cell(name, what).value)
    return {
      hits,
      stale,
      misses,
      revalidated: count('revalidated'),
      collapsed: count('collapsed'),
      bypass: count('bypass'),
      errors: count('error'),
      requests,
      hitRate: hitRate({ hit: hits, stale }, requests),
      hitMs: median('hit'),
      missMs: median('miss'),
      refreshes: this.#refreshes.cell(name).value,
      purges: purges.reduce((sum, value) => sum + value, 0),
    }
  }
}
