import { askState, type State } from '@larder/core'
import { Count, Distribution, Family, type Labels } from './family.js'
import type { Series } from './series.js'

/** A value of a gauge at this moment. */
export interface Reading {
  readonly labels: Labels
  readonly value: number
}

/** A series that is asked for instead of kept. */
export interface Gauge {
  readonly series: Series
  read(): Reading[]
}

/** All series of one registration. Whoever exports them reads them from here. */
export class Book {
  /** The application: its `fastify.server`. */
  readonly app: object
  readonly counters: Family<Count>[] = []
  readonly distributions: Family<Distribution>[] = []
  readonly gauges: Gauge[] = []
  #states: State[] | undefined

  constructor(app: object) {
    this.app = app
  }

  counter(series: Series): Family<Count> {
    const family = new Family(series, (labels) => new Count(labels))
    this.counters.push(family)
    // What has no name of the application in it is there from the start.
    if (series.labels.every(({ values }) => values)) family.open()
    return family
  }

  distribution(series: Series): Family<Distribution> {
    const family = new Family(series, (labels) => new Distribution(labels, series.buckets))
    this.distributions.push(family)
    if (series.labels.every(({ values }) => values)) family.open()
    return family
  }

  gauge(series: Series, read: () => Reading[]): void {
    this.gauges.push({ series, read })
  }

  /** A gauge over the registrations of a plugin: a value of their state, labelled with their name, and that of the part. */
  stateGauge(series: Series, plugin: string, value: string): void {
    const [label, partLabel] = series.labels
    this.gauge(series, () =>
      this.states(plugin).flatMap(({ name, part, values }) => {
        const { [value]: number } = values
        if (number === undefined || label === undefined) return []
        const ofPart = partLabel && part !== undefined ? { [partLabel.name]: part } : {}
        return [{ labels: { [label.name]: name, ...ofPart }, value: number }]
      }),
    )
  }

  /** What the registrations of a plugin have now; asked once for all gauges that are read in one go. */
  states(plugin: string): State[] {
    if (this.#states === undefined) {
      this.#states = askState(this.app)
      queueMicrotask(() => {
        this.#states = undefined
      })
    }
    return this.#states.filter((state) => state.plugin === plugin)
  }
}
