import type { FastifyBaseLogger } from 'fastify'
import { type Caches, hitRate, type Results } from './caches.js'

/** Calls of a cache within a report that mean something. */
const ENOUGH = 100
/** Reports in a row under the bound, each with enough calls, before it is said to stay there. */
const REPORTS = 3

/** What is known of one cache from report to report. */
interface Watch {
  last: Results
  low: number
  warned: boolean
}

/** Options of a {@link Report}. */
export interface ReportOptions {
  readonly caches: Caches
  readonly log: FastifyBaseLogger
  /** Hit rate under which it warns. */
  readonly warnBelow: number
}

/** Logs each cache's hit rate since the last report, and warns once when it stays low. */
export class Report {
  readonly #options: ReportOptions
  readonly #watches = new Map<string, Watch>()

  constructor(options: ReportOptions) {
    this.#options = options
  }

  /** Logs, now. A cache that nobody asked is left out. */
  log(): void {
    const { caches, log, warnBelow } = this.#options
    for (const [cache, results] of caches.results()) {
      const watch = this.#watches.get(cache) ?? { last: { ...results, ...NOTHING }, low: 0, warned: false }
      this.#watches.set(cache, watch)
      const since = difference(results, watch.last)
      watch.last = results
      const requests = Object.values(since).reduce((sum, count) => sum + count, 0)
      const rate = hitRate(since, requests)
      if (rate === undefined) continue
      log.info({ cache, hitRate: round(rate), requests, ...since }, 'larder: hit rate')
      // Too few say nothing, neither way.
      if (requests < ENOUGH) continue
      watch.low = rate < warnBelow ? watch.low + 1 : 0
      if (watch.low < REPORTS || watch.warned) continue
      watch.warned = true
      log.warn({ cache, hitRate: round(rate), requests }, `larder: the hit rate stays under ${warnBelow * 100} %`)
    }
  }
}

const NOTHING: Results = { hit: 0, stale: 0, miss: 0, coalesced: 0, bypass: 0, error: 0 }

function difference(now: Results, before: Results): Results {
  const result = { ...now }
  for (const name of Object.keys(now) as (keyof Results)[]) result[name] -= before[name]
  return result
}

function round(rate: number): number {
  return Math.round(rate * 10_000) / 10_000
}
