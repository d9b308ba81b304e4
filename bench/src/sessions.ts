import { startRedis, startWorker } from '@larder/test-redis'
import autocannon from 'autocannon'
import { type Contender, compare } from './harness.js'
import type { Methods, Target } from './sessions-apps.js'
import type { Result, Suite } from './suite.js'

const CONNECTIONS = 50
const GOAL = 1.1

function contender({ name, url, cookie }: Target): Contender {
  return {
    name,
    run: async (amount) => {
      // Its end is noticed at the next sample.
      const load = { url, amount, connections: CONNECTIONS, sampleInt: 5, headers: cookie === '' ? {} : { cookie } }
      const { non2xx, errors } = await autocannon(load)
      if (non2xx + errors > 0) throw new Error(`${name}: ${non2xx} refused, ${errors} failed`)
    },
  }
}

/** Requests a second of a route that reads the session over HTTP, beside other stores of `@fastify/session`. */
export const sessions: Suite = {
  name: 'sessions',
  run: async () => {
    const server = await startRedis()
    const file = new URL('./sessions-apps.js', import.meta.url)
    const worker = await startWorker<Methods>(file, { env: { BENCH_REDIS_URL: server.url } })
    const targets = await worker.call('listen')
    const [bare, onRedis, inMemory, ...others] = targets.map(contender) as [
      Contender,
      Contender,
      Contender,
      ...Contender[],
    ]
    const rows = await compare({
      name: `a route that reads the session, over HTTP, ${CONNECTIONS} connections`,
      baseline: bare,
      contenders: [onRedis, inMemory, ...others],
      goal: 0,
      times: 2_000,
      rounds: 9,
    })
    const results: Result[] = rows.map((row) => ({ ...row, goal: undefined }))
    const [, own, , ...peers] = rows
    const best = peers.reduce((one, other) => (other.ratio > one.ratio ? other : one))
    const ratio = (own?.ratio ?? 0) / best.ratio
    results.push({
      name: `@larder/sessions on Redis beside the best other store (${best.contender})`,
      value: ratio.toFixed(2),
      goal: `>= ${GOAL}`,
      reached: ratio >= GOAL,
    })
    const requests = 1_000
    await server.resetCommandCounts()
    await onRedis.run(requests)
    const counts = await server.commandCounts()
    results.push({
      name: `commands of ${requests} requests that read`,
      value: JSON.stringify(counts),
      goal: `${requests} HGETALL`,
      reached: counts.hgetall === requests && Object.keys(counts).length === 1,
    })
    await worker.stop()
    await server.stop()
    return results
  },
}
