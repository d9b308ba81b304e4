import { serveWorker } from '@larder/test-redis'
import { Redis } from 'ioredis'
import { makeApp } from './apps.js'

/** One process of a stampede or of a coherence measurement. */
const client = new Redis(process.env.BENCH_REDIS_URL as string)
const app = await makeApp({ redis: client, ttl: '1h' })
let loads = 0

/** Milliseconds of the monotonic clock, which all processes of this machine share. */
const machineTime = (): number => Number(process.hrtime.bigint()) / 1e6

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
  /** Waits until the copy that it has may not be served any more, then reads until the value is the one that is expected: when that was. */
  watch: async (key: string, value: number): Promise<{ heard: number; served: number }> => {
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    while (app.cache.peek(key) !== undefined) await turn()
    const heard = machineTime()
    for (;;) {
      const read = await app.cache.getOrSet(key, async () => value, { tags: ['t'] })
      if (read === value) return { heard, served: machineTime() }
      await turn()
    }
  },
  /** These answer with when they were told done. */
  set: async (key: string, value: number): Promise<number> => {
    await app.cache.set(key, value, { tags: ['t'] })
    return machineTime()
  },
  delete: async (key: string): Promise<number> => {
    await app.cache.delete(key)
    return machineTime()
  },
  invalidate: async (): Promise<number> => {
    await app.tags.invalidate('t')
    return machineTime()
  },
  /** What a client that knows nothing of Larder sends. */
  foreign: async (command: string, ...args: string[]): Promise<number> => {
    await client.call(command, ...args)
    return machineTime()
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
