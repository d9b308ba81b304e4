import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Book } from './book.js'
import type { Series } from './series.js'

/**
 * Puts all series of a book into a registry. Counters and gauges are read when the registry is asked, so that counting costs nothing
 * but the counting.
 *
 * @throws what the registry throws when it has a series of such a name already
 */
export function exportTo(registry: Registry, prefix: string, book: Book): void {
  const about = ({ name, help, labels }: Series) => ({
    name: prefix + name,
    help,
    labelNames: labels.map((label) => label.name),
    registers: [registry],
  })
  for (const { series, cells } of views(book)) {
    new Counter({
      ...about(series),
      collect() {
        this.reset()
        for (const { labels, value } of cells()) this.inc(labels, value)
      },
    })
  }
  for (const { series, read } of book.gauges) {
    new Gauge({
      ...about(series),
      collect() {
        this.reset()
        const readings = read()
        // One without labels would say 0 by itself.
        if (readings.length === 0 && series.labels.length === 0) this.remove()
        for (const { labels, value } of readings) this.set(labels, value)
      },
    })
  }
  for (const family of book.distributions) {
    const histogram = new Histogram({ ...about(family.series), buckets: [...family.series.buckets] })
    family.onCell((cell) => {
      histogram.zero(cell.labels)
      const { observe } = histogram.labels(cell.labels)
      cell.observers.push(observe)
    })
  }
}

function* views(book: Book) {
  for (const family of book.counters) yield { series: family.series, cells: () => family.cells }
}
