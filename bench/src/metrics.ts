import { startWorker } from '@larder/test-redis'
import autocannon from 'autocannon'
import { type Contender, compare, quantile } from './harness.js'
import type { Methods } from './metrics-apps.js'
import type { Result, Suite } from './suite.js'

const CONNECTIONS = 50
const HITS = 200_000

/** A route that answers from memory, in a process with metrics beside one without: whoever listens to a channel costs all of a process. */
export const metricsCost: Suite = {
  name: 'metrics',
  run: async () => {
    const file = new URL('./metrics-apps.js', import.meta.url)
    const start = async (counted: boolean) => {
      const worker = await startWorker<Methods>(file)
      return { worker, url: await worker.call('listen', counted) }
    }
    const [bare, counted] = await Promise.all([start(false), start(true)])
    const over = (name: string, url: string): Contender => ({
      name,
      run: async (amount) => {
        // Its end is noticed at the next sample.
        const { non2xx, errors } = await autocannon({ url, amount, connections: CONNECTIONS, sampleInt: 5 })
        if (non2xx + errors > 0) throw new Error(`${name}: ${non2xx + errors} failed`)
      },
    })
    const results: Result[] = await compare({
      name: `a hit in memory over HTTP, ${CONNECTIONS} connections`,
      baseline: over('without metrics', bare.url),
      contenders: [over('with metrics', counted.url)],
      goal: 0.97,
      times: 8_000,
      rounds: 31,
    })
    const added: number[] = []
    for (let round = 0; round < 9; round++) {
      const without = await bare.worker.call('hit', HITS)
      added.push((await counted.worker.call('hit', HITS)) - without)
    }
    const nanoseconds = quantile(added, 0.5)
    results.push({
      name: 'what metrics adds to a hit in memory',
      value: `${Math.round(nanoseconds)} ns`,
      goal: '<= 300 ns',
      reached: nanoseconds <= 300,
    })
    await Promise.all([bare.worker.stop(), counted.worker.stop()])
    return results
  },
}
