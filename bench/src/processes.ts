import { startRedis, startWorker } from '@larder/test-redis'
import { quantile } from './harness.js'
import type { Result, Suite } from './suite.js'
import type { Methods } from './worker.js'

const ROUNDS = 20
const WRITES = 200

/** What several processes do to each other: a stampede, how soon a change is seen, and what hearing of changes costs. */
export const processes: Suite = {
  name: 'processes',
  run: async () => {
    const server = await startRedis()
    const file = new URL('./worker.js', import.meta.url)
    const start = () => startWorker<Methods>(file, { env: { BENCH_REDIS_URL: server.url } })
    const workers = await Promise.all([start(), start(), start(), start()] as const)
    const [a, b] = workers
    const results: Result[] = []

    const slowest: number[] = []
    let loads = 0
    for (let round = 0; round < ROUNDS; round++) {
      const answers = await Promise.all(workers.map((worker) => worker.call('stampede', `cold:${round}`, 200, 50)))
      slowest.push(Math.max(...answers.map((answer) => answer.slowest)))
      loads = answers.reduce((sum, answer) => sum + answer.loads, 0)
    }
    results.push(
      {
        name: `loads of ${ROUNDS} cold keys, 4 processes × 200 callers`,
        value: `${loads}`,
        goal: `${ROUNDS}`,
        reached: loads === ROUNDS,
      },
      {
        name: 'slowest caller of a 50 ms load, median',
        value: `${quantile(slowest, 0.5).toFixed(1)} ms`,
        goal: '<= 60 ms',
        reached: quantile(slowest, 0.5) <= 60,
      },
    )

    const entry = 'larder:v:{watched}'
    const changes: [name: string, change: (value: number) => Promise<number>][] = [
      ['set', (value) => b.call('set', 'watched', value)],
      ['delete', () => b.call('delete', 'watched')],
      ['tags.invalidate', () => b.call('invalidate')],
      ['a foreign SET', () => b.call('foreign', 'SET', entry, 'foreign')],
      ['a foreign DEL', () => b.call('foreign', 'DEL', entry)],
      ['a foreign PEXPIRE', () => b.call('foreign', 'PEXPIRE', entry, '-1')],
      ['a foreign FLUSHALL', () => b.call('foreign', 'FLUSHALL')],
    ]
    for (const [name, change] of changes) {
      const lags: number[] = []
      const hearing: number[] = []
      for (let i = 0; i < WRITES; i++) {
        await a.call('read', 'watched', i)
        await a.call('read', 'watched', i)
        const seen = a.call('watch', 'watched', i + 1)
        const told = await change(i + 1)
        const { heard, served } = await seen
        hearing.push(heard - told)
        lags.push(served - told)
      }
      const median = quantile(lags, 0.5)
      // Often it has heard before the other one has the answer to its command.
      results.push({
        name: `until another process serves the new state after ${name}, median and maximum`,
        value: `${median.toFixed(2)} ms, ${Math.max(...lags).toFixed(2)} ms; it had heard after ${quantile(hearing, 0.5).toFixed(2)} ms`,
        goal: '<= 1 ms',
        reached: median <= 1,
      })
    }

    for (const count of [1, 100]) {
      const before = await a.call('cpu')
      const messages = 20_000
      const writer = server.client()
      for (let i = 0; i < messages; i += count) {
        await Promise.all(Array.from({ length: count }, (_, j) => writer.set(`larder:v:{heard:${i + j}}`, 'x')))
      }
      const cpu = ((await a.call('cpu')) - before) / messages
      results.push({
        name: `CPU of a process for each change that it hears, ${count} at a time`,
        value: `${cpu.toFixed(1)} µs`,
        goal: 'said, not set',
        reached: true,
      })
    }
    await Promise.all(workers.map((worker) => worker.stop()))
    await server.stop()
    return results
  },
}
