import { startRedis } from '@larder/test-redis'
import { makeApp } from './apps.js'
import { compare, quantile } from './harness.js'
import type { Result, Suite } from './suite.js'

const SIZES = [100, 10_000, 100_000, 1_000_000]

/** Invalidating a tag, by the number of entries that bear it, beside one `INCR`. */
export const invalidate: Suite = {
  name: 'invalidate',
  run: async () => {
    const server = await startRedis()
    const raw = server.client()
    const app = await makeApp({ redis: server.client(), ttl: '1h', memory: { maxEntries: 1_000 } })
    const results: Result[] = []
    let stored = 0
    for (const size of SIZES) {
      for (; stored < size; stored += 500) {
        await Promise.all(
          Array.from({ length: Math.min(500, size - stored) }, (_, i) =>
            app.cache.set(`e:${stored + i}`, i, { tags: ['all'] }),
          ),
        )
      }
      const rows = await compare({
        name: `invalidate a tag of ${size.toLocaleString('en')} entries`,
        baseline: {
          name: 'INCR',
          run: async (times) => {
            for (let i = 0; i < times; i++) await raw.incr('counter')
          },
        },
        contenders: [
          {
            name: 'tags.invalidate',
            run: async (times) => {
              for (let i = 0; i < times; i++) await app.tags.invalidate('all')
            },
          },
        ],
        goal: 1 / 3,
        times: 200,
        rounds: 9,
      })
      results.push(...rows)
    }
    const times: number[] = []
    for (let i = 0; i < 20; i++) {
      await app.cache.set('one', i, { tags: ['one'] })
      await server.resetCommandCounts()
      await app.tags.invalidate('one')
      const counts = await server.commandCounts()
      times.push(counts.evalsha ?? 0)
    }
    results.push({
      name: 'commands that an invalidation sends',
      value: `${quantile(times, 0.5)} EVALSHA`,
      goal: '1',
      reached: quantile(times, 0.5) === 1,
    })
    await app.close()
    await server.stop()
    return results
  },
}
