import type { Snapshot } from '@larder/metrics'
import type { FastifyInstance } from 'fastify'
import type { ExperimentState, Experiments } from './experiments.js'
import { type Latencies, LatencyMeter } from './latency.js'

const EVERY = 1_000
/** How many samples a dashboard that opens is shown at once. */
const KEPT = 180

/** What the shop did, as the dashboard is told each second. */
export type Sample = {
  at: number
  figures: Snapshot
  latency: Latencies
  experiments: ExperimentState
}

/** Samples the figures each second, keeps the last three minutes, and tells whoever watches. */
export class Watch {
  readonly #app: FastifyInstance
  readonly #latency: LatencyMeter
  readonly #experiments: Experiments
  readonly #watchers = new Set<(event: string, data: unknown) => void>()
  #samples: Sample[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(app: FastifyInstance, experiments: Experiments) {
    this.#app = app
    this.#latency = new LatencyMeter(app)
    this.#experiments = experiments
  }

  /** Samples from now on. */
  start(): void {
    this.#timer = setInterval(() => this.#take(), EVERY).unref()
    this.#take()
  }

  /** Samples no more and lets go of whoever watches. */
  stop(): void {
    clearInterval(this.#timer)
    this.#watchers.clear()
  }

  /** Tells what was, then each second what is. Returns how to stop it. */
  watch(tell: (event: string, data: unknown) => void): () => void {
    tell('history', this.#samples)
    this.#watchers.add(tell)
    return () => this.#watchers.delete(tell)
  }

  #take(): void {
    const sample = {
      at: Date.now(),
      figures: this.#app.metrics.snapshot(),
      latency: this.#latency.take(),
      experiments: this.#experiments.state(),
    }
    this.#samples = [...this.#samples.slice(1 - KEPT), sample]
    for (const tell of this.#watchers) tell('sample', sample)
  }
}
