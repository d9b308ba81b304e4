import cacheAside, { type CacheAsideOptions } from '@larder/cache-aside'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Cluster, Redis } from 'ioredis'

/** Where the worker's cache is, in its environment as JSON. */
export type Setup = { port: number; cluster?: boolean; options: CacheAsideOptions }

const { port, cluster, options } = JSON.parse(process.env.SETUP as string) as Setup
const redis = cluster ? new Cluster([{ host: '127.0.0.1', port }]) : new Redis(port, '127.0.0.1')
redis.on('error', () => {})
const app = fastify()
await app.register(cacheAside, { ...options, redis })
await app.ready()
const { cache } = app
let loads = 0
let release = (): void => {}

const methods = {
  /** So many callers at once on one key whose load takes a while; how often this process loaded, and what they got. */
  stampede: async (key: string, callers: number, milliseconds: number) => {
    const started = performance.now()
    const load = async (): Promise<string> => {
      loads++
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      return `loaded by ${process.pid}`
    }
    const values = await Promise.all(Array.from({ length: callers }, () => cache.getOrSet(key, load)))
    return { loads, values: [...new Set(values)], took: performance.now() - started }
  },
  /** A load that takes for ever, or until `release`. Tells `loading` when it has begun. */
  hang: async (key: string): Promise<string> =>
    cache.getOrSet(key, async () => {
      service.notify('loading')
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return `loaded by ${process.pid}`
    }),
  /** A write that takes for ever. Tells `writing` when it has begun. */
  write: async (key: string): Promise<string> =>
    cache.writeThrough(key, () => {
      service.notify('writing')
      return new Promise<string>(() => {})
    }),
  release: () => release(),
  get: (key: string) => cache.get(key),
  set: (key: string, value: unknown) => cache.set(key, value),
  delete: (key: string) => cache.delete(key),
  load: (key: string, value: string) => cache.getOrSet(key, () => value),
  /** Tells which keys it loaded, after a while in which another process asks for them in another order. */
  many: async (keys: string[], milliseconds: number) => {
    const loaded: string[] = []
    const values = await cache.getMany(keys, async (missing) => {
      loaded.push(...(missing as string[]))
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
      return missing
    })
    return { loaded, values }
  },
}

export type Methods = typeof methods
const service = serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
  },
})
