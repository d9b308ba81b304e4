import { startRedis, startWorker } from '@larder/test-redis'
import { CONNECTIONS, compareRoutes } from './http.js'
import type { Methods } from './responses-apps.js'
import type { Result, Suite } from './suite.js'

const URLS = 100_000
/** What both layers of a memory-only cache may take at most, with what the process takes beside. */
const MOST_MB = 200

/** Requests a second of a kept page over HTTP, beside a route that returns a constant string; memory under many URLs. */
export const responses: Suite = {
  name: 'responses',
  run: async () => {
    const server = await startRedis()
    const file = new URL('./responses-apps.js', import.meta.url)
    const worker = await startWorker<Methods>(file, { env: { BENCH_REDIS_URL: server.url } })
    const urls = await worker.call('listen')
    const results: Result[] = await compareRoutes(urls, {
      name: `a kept page over HTTP, ${CONNECTIONS} connections`,
      goal: 0.9,
      times: 10_000,
    })
    const { before, after } = await worker.call('fill', URLS)
    const grown = (after - before) / 1024 ** 2
    results.push({
      name: `memory after ${URLS} different URLs of 0.6 KB`,
      value: `${grown.toFixed(0)} MB more`,
      goal: `${MOST_MB} MB`,
      reached: grown <= MOST_MB,
    })
    await worker.stop()
    await server.stop()
    return results
  },
}
