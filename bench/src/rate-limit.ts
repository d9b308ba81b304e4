import { startRedis, startWorker } from '@larder/test-redis'
import { CONNECTIONS, compareRoutes, request } from './http.js'
import type { Methods } from './rate-limit-apps.js'
import type { Result, Suite } from './suite.js'

/** Requests a second of a limited route over HTTP, beside the same route without a limit; commands a request. */
export const rateLimits: Suite = {
  name: 'rate-limit',
  run: async () => {
    const server = await startRedis()
    const file = new URL('./rate-limit-apps.js', import.meta.url)
    const worker = await startWorker<Methods>(file, { env: { BENCH_REDIS_URL: server.url } })
    const urls = await worker.call('listen')
    const results: Result[] = await compareRoutes(urls, {
      name: `a limited route over HTTP, ${CONNECTIONS} connections`,
      goal: 0.9,
      times: 4_000,
    })
    const requests = 1_000
    await server.resetCommandCounts()
    await request(Object.values(urls)[1] as string, requests)
    const { evalsha = 0, eval: sources = 0 } = await server.commandCounts()
    results.push({
      name: `commands of ${requests} limited requests`,
      value: `${evalsha + sources} EVALSHA`,
      goal: `${requests}`,
      reached: evalsha === requests && sources === 0,
    })
    await worker.stop()
    await server.stop()
    return results
  },
}
