import { startRedis, startWorker } from '@larder/test-redis'
import autocannon from 'autocannon'
import { type Contender, compare } from './harness.js'
import type { Methods } from './rate-limit-apps.js'
import type { Result, Suite } from './suite.js'

const CONNECTIONS = 50

function contender(name: string, url: string): Contender {
  return {
    name,
    run: async (amount) => {
      // Its end is noticed at the next sample.
      const { non2xx, errors } = await autocannon({ url, amount, connections: CONNECTIONS, sampleInt: 5 })
      if (non2xx + errors > 0) throw new Error(`${name}: ${non2xx} refused, ${errors} failed`)
    },
  }
}

/** Requests a second of a limited route over HTTP, beside the same route without a limit; commands a request. */
export const rateLimits: Suite = {
  name: 'rate-limit',
  run: async () => {
    const server = await startRedis()
    const file = new URL('./rate-limit-apps.js', import.meta.url)
    const worker = await startWorker<Methods>(file, { env: { BENCH_REDIS_URL: server.url } })
    const urls = await worker.call('listen')
    const [bare, limited, ...others] = Object.entries(urls).map(([name, url]) => contender(name, url)) as [
      Contender,
      Contender,
      ...Contender[],
    ]
    const results: Result[] = await compare({
      name: `a limited route over HTTP, ${CONNECTIONS} connections`,
      baseline: bare,
      contenders: [limited, ...others],
      goal: 0.9,
      times: 4_000,
    })
    const requests = 1_000
    await server.resetCommandCounts()
    await limited.run(requests)
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
