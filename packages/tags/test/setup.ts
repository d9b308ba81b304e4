import cacheAside, { type Cache, type CacheAsideOptions } from '@larder/cache-aside'
import tagsPlugin, { type Tags, type TagsOptions } from '@larder/tags'
import {
  type ClientOptions,
  client,
  pollUntil,
  type RedisEndpoint,
  sharedCluster,
  sharedRedis,
  type T,
  uniqueNamespace,
} from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import type { Test } from 'tap'

export { client, codeOf, type T } from '@larder/test-redis'

/** An application with cache and tags, as one process has it. */
export interface Opened {
  readonly app: FastifyInstance
  readonly cache: Cache
  readonly tags: Tags
  /** First part of its keys. */
  readonly namespace: string
}

/** What an application is opened with. */
export interface OpenOptions extends CacheAsideOptions {
  readonly tags?: TagsOptions
}

/** Where a cache keeps its entries. */
export interface Site {
  readonly name: string
  /** Whether entries are shared with other processes. */
  readonly shared: boolean
  /** Whether copies are kept in the process. */
  readonly memory: boolean
  /** A process more, on the same entries if `options.namespace` is that of another. Ends with the test. */
  open(t: T, options?: OpenOptions): Promise<Opened>
  /** A command to whoever holds this key, as another program would send it. */
  cli(command: string, key: string, ...args: (string | number)[]): Promise<unknown>
}

/** The instances of an application, as those see them who augmented no types. */
export const named = (app: FastifyInstance) =>
  app as unknown as {
    cache: Record<string, FastifyInstance['cache']>
    tags: Record<string, FastifyInstance['tags']>
  }

/** An application with cache and tags. */
export async function open(t: T, { tags, ...options }: OpenOptions): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  const { redis } = options
  await app.register(tagsPlugin, { ...(redis === undefined ? {} : { redis }), namespace, ...tags })
  await app.register(cacheAside, { ...options, namespace })
  await app.ready()
  return { app, cache: app.cache, tags: app.tags, namespace }
}

/** A client whose feed goes to another port than its commands: through a proxy, say. */
export function splitClient(t: T, server: RedisEndpoint, feedPort: number, overrides?: ClientOptions): Redis {
  const redis = client(t, server, overrides)
  redis.duplicate = (override) => Redis.prototype.duplicate.call(redis, { ...override, port: feedPort })
  return redis
}

/** Memory, one Redis with and without copies in the process, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  const onRedis = (command: string, key: string, ...args: (string | number)[]) => server.cli(command, key, ...args)
  return [
    {
      name: 'in memory',
      shared: false,
      memory: true,
      open: (t, options) => open(t, { redis: false, ...options }),
      cli: () => {
        throw new Error('There is no Redis')
      },
    },
    {
      name: 'on one Redis',
      shared: true,
      memory: true,
      open: (t, options) => open(t, { redis: client(t, server), ...options }),
      cli: onRedis,
    },
    {
      name: 'on one Redis without copies in the process',
      shared: true,
      memory: false,
      open: (t, options) => open(t, { redis: client(t, server), memory: false, ...options }),
      cli: onRedis,
    },
    {
      name: 'on Cluster',
      shared: true,
      memory: true,
      open: (t, options) => open(t, { redis: client(t, cluster), ...options }),
      cli: async (command, key, ...args) => (await cluster.nodeOf(key)).cli(command, key, ...args),
    },
  ]
}

/** Tests a behaviour wherever a cache keeps its entries. */
export async function onEachSite(t: Test, behaves: (t: Test, site: Site) => void): Promise<void> {
  for (const site of await allSites()) t.test(site.name, { jobs: 4 }, async (t) => behaves(t, site))
}

/** A loader that a test lets go, call by call. */
export class Gate<Value> {
  /** How often it was called. */
  calls = 0
  readonly #begun: (() => void)[] = []
  readonly #waiting: { resolve: (value: Value) => void; reject: (error: unknown) => void }[] = []

  /** The loader. */
  readonly load = (): Promise<Value> => {
    this.calls++
    const promise = new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
    })
    for (const begin of this.#begun.splice(0)) begin()
    return promise
  }

  /** Resolves when it has been called so often. */
  async begun(calls = 1): Promise<void> {
    while (this.calls < calls) await new Promise<void>((resolve) => this.#begun.push(resolve))
  }

  /** Lets the oldest call that runs return this value. */
  open(value: Value): void {
    this.#waiting.shift()?.resolve(value)
  }

  /** Lets the oldest call that runs fail. */
  fail(error: unknown): void {
    this.#waiting.shift()?.reject(error)
  }
}

/** A database of one number a key, that counts its reads. */
export class Database {
  reads = 0
  readonly #rows = new Map<string, number>()

  get(key: string): number {
    this.reads++
    return this.#rows.get(key) ?? 0
  }

  set(key: string, value: number): void {
    this.#rows.set(key, value)
  }
}

/** Resolves when this process keeps a copy, which the message of its own write may have dropped once. */
export async function kept(site: Pick<Site, 'memory'>, cache: Cache, key: string): Promise<void> {
  if (!site.memory) return
  await pollUntil(`a copy of ${key}`, async () => {
    await cache.get(key)
    await new Promise(setImmediate)
    return cache.peek(key) !== undefined
  })
}
