import type { Book, Reading } from './book.js'
import type { Series } from './series.js'

/** What is used of a `Meter` of `@opentelemetry/api`. */
export interface Meter {
  createObservableCounter(name: string, options?: InstrumentOptions): Observable
  createObservableGauge(name: string, options?: InstrumentOptions): Observable
  createHistogram(name: string, options?: InstrumentOptions): { record(value: number, attributes?: object): void }
}

interface InstrumentOptions {
  description?: string
  unit?: string
  advice?: { explicitBucketBoundaries?: number[] }
}

interface Observable {
  addCallback(callback: Observe): void
  removeCallback(callback: Observe): void
}

type Observe = (result: { observe(value: number, attributes?: Record<string, string>): void }) => void

const UNITS: [suffix: RegExp, unit: string][] = [
  [/_seconds$/, 's'],
  [/_bytes$/, 'By'],
  [/_total$/, '1'],
]

/** Makes an instrument of each series of a book: `cache_load_duration_seconds` is `larder.cache.load.duration` in `s`. Returns the end. */
export function instrument(meter: Meter, book: Book): () => void {
  const ends: (() => void)[] = []
  const observe = (instrument: Observable, read: () => Iterable<Reading>): void => {
    const callback: Observe = (result) => {
      for (const { value, labels } of read()) result.observe(value, { ...labels })
    }
    instrument.addCallback(callback)
    ends.push(() => instrument.removeCallback(callback))
  }
  for (const family of book.counters) {
    const { name, options } = describe(family.series)
    observe(meter.createObservableCounter(name, options), () => family.cells)
  }
  for (const { series, read } of book.gauges) {
    const { name, options } = describe(series)
    observe(meter.createObservableGauge(name, options), read)
  }
  let ended = false
  for (const family of book.distributions) {
    const { name, options } = describe(family.series)
    const advice = { explicitBucketBoundaries: [...family.series.buckets] }
    const histogram = meter.createHistogram(name, { ...options, advice })
    family.onCell((cell) => {
      cell.observers.push((value) => {
        if (!ended) histogram.record(value, { ...cell.labels })
      })
    })
  }
  return () => {
    ended = true
    for (const end of ends) end()
  }
}

function describe({ name, help }: Series): { name: string; options: InstrumentOptions } {
  const [suffix, unit] = UNITS.find(([suffix]) => suffix.test(name)) ?? [/$/, '1']
  return { name: `larder.${name.replace(suffix, '').replaceAll('_', '.')}`, options: { description: help, unit } }
}
