import { serveWorker } from '@larder/test-redis'
import { Redis } from 'ioredis'
import { makeApp } from './apps.js'

/** One process of a stampede or of a coherence measurement. */
const client = new Redis(process.env.BENCH_REDIS_URL as string)
const app = await makeApp({ redis: client, ttl: '1h' })
let loads = 0

const methods = {
  /** Asks `callers` times at once for a key whose load takes `milliseconds`; answers with the slowest, and the loads so far. */
  stampede: async (key: string, callers: number, milliseconds: number): Promise<{ slowest: number; loads: number }> => {
    const start = performance.now()
    const load = async (): Promise<number> => {
      loads++
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      return loads
    }
    await Promise.all(Array.from({ length: callers }, () => app.cache.getOrSet(key, load)))
    return { slowest: performance.now() - start, loads }
  },
  read: async (key: string, value: number): Promise<unknown> =>
    app.cache.getOrSet(key, async () => value, { tags: ['t'] }),
  set: async (key: string, value: number): Promise<void> => app.cache.set(key, value, { tags: ['t'] }),
  /** Reads until the value is the one that is expected; answers when that was, as this machine's time in milliseconds. */
  watch: async (key: string, value: number): Promise<number> => {
    for (;;) {
      const read = await app.cache.getOrSet(key, async () => value, { tags: ['t'] })
      if (read === value) return performance.timeOrigin + performance.now()
      await new Promise((resolve) => setImmediate(resolve))
    }
  },
  delete: async (key: string): Promise<number> => {
    await app.cache.delete(key)
    return performance.timeOrigin + performance.now()
  },
  invalidate: async (): Promise<number> => {
    await app.tags.invalidate('t')
    return performance.timeOrigin + performance.now()
  },
  cpu: async (): Promise<number> => {
    const { user, system } = process.cpuUsage()
    return user + system
  },
}

/** What the processes of a measurement answer to. */
export type Methods = typeof methods

serveWorker(methods, {
  onStop: async () => {
    await app.close()
    client.disconnect()
  },
})
