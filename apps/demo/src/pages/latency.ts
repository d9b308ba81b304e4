import type { FastifyInstance } from 'fastify'

/** Of the answers of one second, in milliseconds; without answers there are none. */
export type Spread = { count: number; p50?: number; p95?: number }

/** How long answers took that came from a cache, and those that had to be loaded. */
export type Latencies = { cached: Spread; loaded: Spread }

const KEPT = 5_000

/**
 * Times the shop's answers by what their `Cache-Status` says (RFC 9211). Those that waited for another's load are in neither: they
 * came from no cache and cost no load.
 */
export class LatencyMeter {
  #cached: number[] = []
  #loaded: number[] = []

  constructor(app: FastifyInstance) {
    app.addHook('onResponse', async (_request, reply) => {
      const status = reply.getHeader('cache-status')
      if (typeof status !== 'string' || status.includes('collapsed')) return
      const durations = /;\s*hit/.test(status) ? this.#cached : this.#loaded
      if (durations.length < KEPT) durations.push(reply.elapsedTime)
    })
  }

  /** What was measured since the last call. */
  take(): Latencies {
    const latencies = { cached: spread(this.#cached), loaded: spread(this.#loaded) }
    this.#cached = []
    this.#loaded = []
    return latencies
  }
}

/** The middle and the slow end of durations. */
export function spread(durations: number[]): Spread {
  if (durations.length === 0) return { count: 0 }
  const sorted = durations.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]! // there is one
  return { count: sorted.length, p50: at(0.5), p95: at(0.95) }
}
