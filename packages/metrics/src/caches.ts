import type { CacheEvent } from '@larder/cache-aside'
import type { Book } from './book.js'
import { type Count, type Distribution, type Family, inMs } from './family.js'
import { hear, type Recorder } from './recorder.js'
import * as SERIES from './series.js'
import { RESULTS } from './series.js'

/** How calls were answered, by result. */
export type Results = Record<(typeof RESULTS)[number], number>

/** One cache, as `metrics.snapshot()` tells of it. */
export interface CacheSnapshot {
  readonly hits: number
  readonly stale: number
  readonly misses: number
  readonly coalesced: number
  readonly bypass: number
  readonly errors: number
  /** All calls. */
  readonly requests: number
  /** Share of the calls that were answered from the cache, stale answers included; `undefined` of none. */
  readonly hitRate: number | undefined
  /** Milliseconds, estimated from buckets; `undefined` without a load. */
  readonly loadMs: { readonly p50: number | undefined; readonly p99: number | undefined }
  readonly writes: number
  readonly invalidations: number
  readonly evictions: number
  /** Copies in this process; `undefined` of a child namespace, which shares them. */
  readonly entries: number | undefined
  readonly bytes: number | undefined
}

/** The cells of one cache. A hit in memory must find its own at once. */
interface Cells {
  readonly results: Record<string, Count>
  readonly memory: Count
  readonly store: Count
  readonly loads: Distribution
  readonly failures: Distribution
  readonly writes: readonly Count[]
  readonly invalidations: readonly Count[]
  readonly bytes: Distribution
  readonly evictions: Count
}

/** What caches tell. */
export class Caches implements Recorder {
  readonly #book: Book
  readonly #caches = new Map<string, Cells>()
  readonly #end: () => void
  readonly #requests
  readonly #hits
  readonly #loads
  readonly #writes
  readonly #invalidations
  readonly #bytes
  readonly #evictions

  constructor(book: Book) {
    this.#book = book
    this.#requests = book.counter(SERIES.cacheRequests)
    this.#hits = book.counter(SERIES.cacheHits)
    this.#loads = book.distribution(SERIES.cacheLoads)
    this.#writes = book.counter(SERIES.cacheWrites)
    this.#invalidations = book.counter(SERIES.cacheInvalidations)
    this.#bytes = book.distribution(SERIES.cacheBytes)
    this.#evictions = book.counter(SERIES.cacheEvictions)
    book.stateGauge(SERIES.cacheEntries, 'cache', 'entries')
    book.stateGauge(SERIES.cacheMemory, 'cache', 'bytes')
    book.stateGauge(SERIES.feedTrusted, 'cache', 'trusted')
    book.stateGauge(SERIES.feedLag, 'cache', 'lagSeconds')
    book.stateGauge(SERIES.outbox, 'cache', 'outbox')
    this.#end = hear<CacheEvent>(book, 'cache', (event) => this.#on(event))
  }

  /** How calls were answered so far, by cache. */
  results(): Map<string, Results> {
    return new Map([...this.#caches].map(([name, { results }]) => [name, valuesOf(results)]))
  }

  snapshot(): Record<string, CacheSnapshot> {
    // Child namespaces share the copies.
    const own = this.#book.states('cache').filter(({ part }) => part === undefined)
    const states = new Map(own.map(({ name, values }) => [name, values]))
    const entries = [...this.#caches].map(([name, cells]): [string, CacheSnapshot] => {
      const { hit, stale, miss, coalesced, bypass, error } = valuesOf(cells.results)
      const requests = hit + stale + miss + coalesced + bypass + error
      const { entries, bytes } = states.get(name) ?? {}
      return [
        name,
        {
          hits: hit,
          stale,
          misses: miss,
          coalesced,
          bypass,
          errors: error,
          requests,
          hitRate: hitRate({ hit, stale }, requests),
          loadMs: { p50: inMs(cells.loads.quantile(0.5)), p99: inMs(cells.loads.quantile(0.99)) },
          writes: sum(cells.writes),
          invalidations: sum(cells.invalidations),
          evictions: cells.evictions.value,
          entries,
          bytes,
        },
      ]
    })
    return Object.fromEntries(entries)
  }

  open(name: string, child: string = name): void {
    if (!this.#caches.has(child)) this.#cells(child)
  }

  close(): void {
    this.#end()
  }

  #on(event: CacheEvent): void {
    const cells = this.#caches.get(event.cache) ?? this.#cells(event.cache)
    switch (event.type) {
      case 'read':
        ;(cells.results[event.state] as Count).value++
        if (event.state === 'hit') cells[event.layer].value++
        break
      case 'load':
        cells[event.failed ? 'failures' : 'loads'].add(event.milliseconds / 1_000)
        break
      case 'store':
        cells.bytes.add(event.bytes)
        break
      case 'evict':
        cells.evictions.add()
        break
      case 'invalidate': {
        const written = event.what === 'set' || event.what === 'write-through'
        ;(written ? this.#writes : this.#invalidations).cell(event.cache, event.what).add()
      }
    }
  }

  #cells(name: string): Cells {
    for (const family of [this.#requests, this.#hits, this.#loads, this.#writes, this.#invalidations]) family.open(name)
    const cells: Cells = {
      results: Object.fromEntries(RESULTS.map((result) => [result, this.#requests.cell(name, result)])),
      memory: this.#hits.cell(name, 'memory'),
      store: this.#hits.cell(name, 'store'),
      loads: this.#loads.cell(name, 'success'),
      failures: this.#loads.cell(name, 'error'),
      writes: this.#kinds(this.#writes, name),
      invalidations: this.#kinds(this.#invalidations, name),
      bytes: this.#bytes.cell(name),
      evictions: this.#evictions.cell(name),
    }
    // Names beyond the bound share the cells of `other`, and need no entry each.
    const { cache } = cells.evictions.labels
    const known = this.#caches.get(cache as string) ?? cells
    this.#caches.set(cache as string, known)
    return known
  }

  #kinds(family: Family<Count>, name: string): Count[] {
    return (family.series.labels[1]?.values ?? []).map((kind) => family.cell(name, kind))
  }
}

/** Share of the answers that came from the cache. */
export function hitRate({ hit, stale }: Pick<Results, 'hit' | 'stale'>, requests: number): number | undefined {
  return requests === 0 ? undefined : (hit + stale) / requests
}

function valuesOf(results: Record<string, Count>): Results {
  return Object.fromEntries(RESULTS.map((result) => [result, (results[result] as Count).value])) as Results
}

function sum(counts: readonly Count[]): number {
  return counts.reduce((total, { value }) => total + value, 0)
}
