import { setTimeout as sleep } from 'node:timers/promises'
import cacheAside from '@larder/cache-aside'
import tagsPlugin from '@larder/tags'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'

/** Where a process finds Redis, and by which port its feed does; in its environment as JSON. */
export type Setup = { port: number; feedPort: number; namespace: string; heartbeat: number }

const { port, feedPort, namespace, heartbeat } = JSON.parse(process.env.SETUP as string) as Setup
const redis = new Redis(port, '127.0.0.1')
redis.on('error', () => {})
redis.duplicate = (override) => Redis.prototype.duplicate.call(redis, { ...override, port: feedPort })
const app = fastify()
const options = { redis, namespace, feed: { heartbeat }, deadline: '20s' }
await app.register(tagsPlugin, options)
await app.register(cacheAside, { ...options, ttl: '1h', memory: { ttl: '1h' } })
await app.ready()
const { cache, tags } = app

/** This machine's time, in milliseconds: all processes have the same. */
const time = (): number => performance.timeOrigin + performance.now()
const read = (key: string, value: unknown): Promise<unknown> => cache.getOrSet(key, () => value, { tags: ['tag'] })

/** What {@link methods.watch} saw. */
export interface Seen {
  /** When the last call began that was answered with the old value. */
  readonly lastOld: number
  /** When the new value came. */
  readonly firstNew: number
  /** How many calls there were. */
  readonly calls: number
}

const methods = {
  /** Reads until a hit needs no Redis. */
  keep: async (key: string, value: unknown): Promise<void> => {
    do {
      await read(key, value)
      await sleep(1)
    } while (cache.peek(key) === undefined)
  },
  /**
   * Reads until the answer is another one. `starve`: without ever letting a timer or a socket get its turn, unless a read itself waits
   * for Redis.
   */
  watch: async (key: string, old: unknown, starve = false): Promise<Seen> => {
    service.notify('watching')
    let lastOld = 0
    for (let calls = 1; ; calls++) {
      const began = time()
      const value = await read(key, 'loaded anew')
      if (value !== old) return { lastOld, firstNew: time(), calls }
      lastOld = began
      if (!starve) await new Promise(setImmediate)
    }
  },
  set: async (key: string, value: unknown, ttl = '1h'): Promise<number> => {
    await cache.set(key, value, { tags: ['tag'], ttl })
    return time()
  },
  delete: async (key: string): Promise<number> => {
    await cache.delete(key)
    return time()
  },
  invalidate: async (): Promise<number> => {
    await tags.invalidate('tag')
    return time()
  },
}

/** What the test calls. */
export type Methods = typeof methods

const service = serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
  },
})
