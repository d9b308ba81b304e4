import { makeApp, product } from './apps.js'
import type { Suite } from './suite.js'

const ENTRIES = 20_000

/** Memory that an entry takes in the process: its value, and what the cache adds. Run with `--expose-gc` for exact figures. */
export const footprint: Suite = {
  name: 'footprint',
  run: async () => {
    const collect = (globalThis as { gc?: () => void }).gc ?? (() => {})
    const heap = (): number => {
      collect()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    const app = await makeApp({ redis: false, ttl: '1h', memory: { maxEntries: ENTRIES, maxBytes: '1gb' } })
    const plain = new Map<string, unknown>()
    const start = heap()
    for (let i = 0; i < ENTRIES; i++) plain.set(`product:${i}`, JSON.parse(JSON.stringify(product(i))))
    const bare = (heap() - start) / ENTRIES
    plain.clear()
    const before = heap()
    for (let i = 0; i < ENTRIES; i++) {
      await app.cache.set(`product:${i}`, product(i))
      await app.cache.get(`product:${i}`)
    }
    const held = (heap() - before) / ENTRIES
    await app.close()
    return [
      {
        name: `memory of an entry of ${JSON.stringify(product(1)).length} bytes of JSON, in memory mode (copy and store)`,
        value: `${Math.round(held)} bytes; the bare value in a Map ${Math.round(bare)}`,
        goal: 'said, not set',
        reached: true,
      },
    ]
  },
}
