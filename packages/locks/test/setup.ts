import { setImmediate as turn } from 'node:timers/promises'
import locks, { type Lock, type Locks, type LocksOptions } from '@larder/locks'
import {
  type ClientOptions,
  pollUntil,
  type RedisEndpoint,
  type SharedCluster,
  sharedCluster,
  sharedRedis,
  uniqueNamespace,
} from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import type { Cluster, Redis } from 'ioredis'
import type { Test } from 'tap'

/** What a subtest of tap is given. */
export type T = Pick<Test, 'teardown'>

/** An application with locks, as one process has it: with a client of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly locks: Locks
  /** First part of its keys. */
  readonly namespace: string
}

/** Where leases are kept. */
export interface Site {
  readonly name: string
  /** A process, and more on the same leases. Ends with the test. */
  open(t: T, options?: LocksOptions): Promise<Opened>
  peer(t: T, opened: Opened, options?: LocksOptions): Promise<Opened>
  /** The keys of a namespace that are left, without the fencing counters and the latches of the last minute. */
  left(opened: Opened): Promise<string[]>
  /** Resolves when so many wait. */
  queued(opened: Opened, waiters: number): Promise<void>
}

/** An application whose locks have these options. */
export async function open(t: T, options: LocksOptions): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(locks, { ...options, namespace })
  return { app, locks: app.locks, namespace }
}

/** A client that ends with the test, after the application that was given it. */
export function client(t: T, server: Pick<RedisEndpoint, 'client'>, options?: ClientOptions): Redis {
  const redis = server.client(options)
  t.teardown(() => redis.disconnect())
  return redis
}

function clusterClient(t: T, cluster: SharedCluster): Cluster {
  const redis = cluster.client()
  t.teardown(() => redis.disconnect())
  return redis
}

/** The keys that are not meant to stay. */
export async function leftOn(nodes: readonly RedisEndpoint[], namespace: string): Promise<string[]> {
  const keys = await Promise.all(nodes.map((node) => node.cli<string[]>('KEYS', `${namespace}:*`)))
  return keys.flat().filter((key) => !key.startsWith(`${namespace}:fence:`) && !key.startsWith(`${namespace}:latch:`))
}

/** Resolves when so many wait. */
export function queuedOn(nodes: readonly RedisEndpoint[], namespace: string, waiters: number): Promise<void> {
  return pollUntil(`${waiters} waiters`, async () => {
    let count = 0
    for (const node of nodes) {
      for (const key of await node.cli<string[]>('KEYS', `${namespace}:*-queue:*`)) {
        count += await node.cli<number>('ZCARD', key)
      }
    }
    return count === waiters
  })
}

let names = 0

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  return [
    {
      name: 'in memory',
      open: (t, options) => open(t, { redis: false, ...options }),
      peer: async (_t, { app, namespace }, options) => {
        const name = `peer${++names}`
        await app.register(locks, { redis: false, ...options, namespace, name })
        return { app, locks: (app.locks as unknown as Record<string, Locks>)[name] as Locks, namespace }
      },
      left: async () => [],
      // In memory a waiter stands in the queue as soon as its call has been made.
      queued: async () => void (await turn()),
    },
    {
      name: 'on one Redis',
      open: (t, options) => open(t, { redis: client(t, server), ...options }),
      peer: (t, { namespace }, options) => open(t, { redis: client(t, server), ...options, namespace }),
      left: ({ namespace }) => leftOn([server], namespace),
      queued: ({ namespace }, waiters) => queuedOn([server], namespace, waiters),
    },
    {
      name: 'on Cluster',
      open: (t, options) => open(t, { redis: clusterClient(t, cluster), ...options }),
      peer: (t, { namespace }, options) => open(t, { redis: clusterClient(t, cluster), ...options, namespace }),
      left: ({ namespace }) => leftOn(cluster.nodes, namespace),
      queued: ({ namespace }, waiters) => queuedOn(cluster.nodes, namespace, waiters),
    },
  ]
}

/** The code of the error that a call rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/** Resolves when the lock's signal is aborted, with its reason. Keeps the process awake: a lease does not. */
export function lost({ signal }: Pick<Lock, 'signal'>): Promise<Error & { code?: string }> {
  const awake = setInterval(() => {}, 1_000)
  return new Promise<Error & { code?: string }>((resolve) => {
    if (signal.aborted) resolve(signal.reason)
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
  }).finally(() => clearInterval(awake))
}

/** Lets the time of a lease pass, as another lease of that length tells. */
export async function pass({ locks }: Opened, milliseconds: number): Promise<void> {
  await lost(await locks.acquire(`passing ${++names}`, { ttl: milliseconds, renew: false }))
}

/** Whether a promise has been settled yet. */
export async function pending(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open')
  return (await Promise.race([promise.catch(() => undefined), Promise.resolve(open)])) === open
}
