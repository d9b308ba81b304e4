import { equal } from 'node:assert/strict'
import type { Check } from '../check.js'

const HITS = /^cache_requests_total\{cache="shop",result="hit"\} (\d+)$/m

/** What Prometheus reads; it is not part of the API. */
export const metricsChecks: readonly Check[] = [
  {
    route: 'GET /metrics',
    sees: 'each process counting its own calls of the cache',
    run: async ({ a }) => {
      const hits = async () => Number(HITS.exec((await a.get<string>('/metrics')).body)?.[1])
      await a.get('/products/77')
      const before = await hits()
      for (let i = 0; i < 5; i++) await a.get('/products/77')
      equal((await hits()) - before, 5)
    },
  },
]
