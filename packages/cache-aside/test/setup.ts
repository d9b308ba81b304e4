import cacheAside, { type Cache, type CacheAsideOptions } from '@larder/cache-aside'
import { encodeTag, type Namespace, type TagRegistry } from '@larder/core'
import {
  client,
  pollUntil,
  type RedisEndpoint,
  type SharedCluster,
  sharedCluster,
  sharedRedis,
  type T,
  uniqueNamespace,
} from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'

export { client, codeOf, type T } from '@larder/test-redis'

/** An application with a cache, as one process has it: with a client, and so a feed and a breaker, of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly cache: Cache
  /** First part of its keys. */
  readonly namespace: string
  /** Invalidates tags, as `@larder/tags` would. */
  invalidateTags(...tags: string[]): Promise<void>
  /** Invalidates softly. */
  expireTags(...tags: string[]): Promise<void>
}

/** Where a cache keeps its entries. */
export interface Site {
  readonly name: string
  /** Whether entries are shared with other processes. */
  readonly shared: boolean
  /** Whether copies are kept in the process. */
  readonly memory: boolean
  /** A process more, on the same entries if `options.namespace` is that of another. Ends with the test. */
  open(t: T, options?: CacheAsideOptions): Promise<Opened>
  /** The node that holds an entry's key in Redis. */
  node(key: string): Promise<RedisEndpoint>
}

/** The least that `fastify.tags` must be, by the interface that core declares. */
class Registry implements TagRegistry {
  readonly namespaces = new Set<Namespace>()

  attach(namespace: Namespace): boolean {
    this.namespaces.add(namespace)
    return true
  }

  async invalidate(tags: readonly string[], mode: 'hard' | 'soft'): Promise<void> {
    for (const namespace of this.namespaces) await namespace.invalidate(tags.map(encodeTag), mode)
  }
}

/** An application whose cache has these options; `tags: false`: nothing invalidates tags. */
export async function open(t: T, options: CacheAsideOptions, { tags = true } = {}): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const registry = new Registry()
  if (tags) app.decorate('tags', registry)
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(cacheAside, { ...options, namespace })
  await app.ready()
  return {
    app,
    cache: app.cache,
    namespace,
    invalidateTags: (...names) => registry.invalidate(names, 'hard'),
    expireTags: (...names) => registry.invalidate(names, 'soft'),
  }
}

/** A busy machine is no reason to go on without Redis, or to lose a lease, where a test is about something else. */
export const PATIENT = { deadline: '20s', lease: '60s' }

const NO_REDIS = (): never => {
  throw new Error('There is no Redis')
}

/** The Cluster that all tests share; its nodes do not give each other up on a busy machine. */
export async function patientCluster(): Promise<SharedCluster> {
  const cluster = await sharedCluster()
  await Promise.all(cluster.nodes.map((node) => node.cli('CONFIG', 'SET', 'cluster-node-timeout', 30_000)))
  return cluster
}

/** Memory, one Redis with and without copies in the process, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), patientCluster()])
  return [
    {
      name: 'in memory',
      shared: false,
      memory: true,
      open: (t, options) => open(t, { redis: false, ...options }),
      node: NO_REDIS,
    },
    {
      name: 'on one Redis',
      shared: true,
      memory: true,
      open: (t, options) => open(t, { redis: client(t, server), ...PATIENT, ...options }),
      node: async () => server,
    },
    {
      name: 'on one Redis without copies in the process',
      shared: true,
      memory: false,
      open: (t, options) => open(t, { redis: client(t, server), memory: false, ...PATIENT, ...options }),
      node: async () => server,
    },
    {
      name: 'on Cluster',
      shared: true,
      memory: true,
      open: (t, options) => open(t, { redis: client(t, cluster), ...PATIENT, ...options }),
      node: (key) => cluster.nodeOf(key),
    },
  ]
}

/** The key of an entry in Redis. */
export function entryKey({ namespace }: { namespace: string }, key: string): string {
  return `${namespace}:v:{${key}}`
}

/** A loader that a test lets go, call by call. */
export class Gate<Value> {
  /** How often it was called. */
  calls = 0
  /** How many of its calls run at this moment, and ran at most. */
  running = 0
  most = 0
  readonly #begun: (() => void)[] = []
  readonly #waiting: { resolve: (value: Value) => void; reject: (error: unknown) => void }[] = []

  /** The loader. */
  readonly load = (): Promise<Value> => {
    this.calls++
    this.running++
    this.most = Math.max(this.most, this.running)
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
    this.running--
    this.#waiting.shift()?.resolve(value)
  }

  /** Lets the oldest call that runs fail. */
  fail(error: unknown): void {
    this.running--
    this.#waiting.shift()?.reject(error)
  }
}

/** Loads that count themselves. */
export function counter<Value>(value: Value | (() => Value)): { (): Value; calls: number } {
  const load = Object.assign(
    () => {
      load.calls++
      return typeof value === 'function' ? (value as () => Value)() : value
    },
    { calls: 0 },
  )
  return load
}

/** Resolves when this process has heard of every change that was made before, on the node of that key. */
export async function heard(site: Site, opened: Opened, key: string): Promise<void> {
  if (!site.memory) return
  const node = await site.node(entryKey(opened, key))
  for (let i = 0; ; i++) {
    const marker = `marker ${i}`
    const markerKey = entryKey(opened, marker)
    if ((await site.node(markerKey)).port !== node.port) continue
    await pollUntil('a copy of the marker', async () => {
      await opened.cache.getOrSet(marker, () => i)
      return opened.cache.peek(marker) === i
    })
    await node.cli('DEL', markerKey)
    return pollUntil('the feed', () => opened.cache.peek(marker) === undefined)
  }
}

/** Resolves when the calls for this key that were made before have got as far as the load under way. */
export async function joined(cache: Cache, key: string): Promise<void> {
  // It takes the same way to the same node, after them.
  await cache.get(key, { memory: false })
  await new Promise(setImmediate)
}
