import events, { type Events, type EventsOptions } from '@larder/events'
import {
  type ClientOptions,
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

/** An application with events, as one process has it: with a client of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly events: Events
  /** First part of its keys. */
  readonly namespace: string
}

/** Where events go. */
export interface Site {
  readonly name: string
  /** A process, and more with the same events. Ends with the test. */
  open(t: T, options?: EventsOptions): Promise<Opened>
  peer(t: T, opened: Opened, options?: EventsOptions): Promise<Opened>
}

/** An application whose events have these options. */
export async function open(t: T, options: EventsOptions): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(events, { ...options, namespace })
  return { app, events: app.events, namespace }
}

/** A client that ends with the test, after the application that was given it. */
export function client(t: T, server: Pick<RedisEndpoint, 'client'>, options?: ClientOptions): Redis {
  const redis = server.client(options)
  t.teardown(() => redis.disconnect())
  return redis
}

/** The same for Cluster. */
export function clusterClient(t: T, cluster: Pick<SharedCluster, 'client'>): Cluster {
  const redis = cluster.client()
  t.teardown(() => redis.disconnect())
  return redis
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
        await app.register(events, { redis: false, ...options, namespace, name })
        return { app, events: (app.events as unknown as Record<string, Events>)[name] as Events, namespace }
      },
    },
    {
      name: 'on one Redis',
      open: (t, options) => open(t, { redis: client(t, server), ...options }),
      peer: (t, { namespace }, options) => open(t, { redis: client(t, server), ...options, namespace }),
    },
    {
      name: 'on Cluster',
      open: (t, options) => open(t, { redis: clusterClient(t, cluster), ...options }),
      peer: (t, { namespace }, options) => open(t, { redis: clusterClient(t, cluster), ...options, namespace }),
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

/** The next so many items. */
export async function take<Item>(source: AsyncIterator<Item>, count: number): Promise<Item[]> {
  const awake = setInterval(() => {}, 1_000)
  const items: Item[] = []
  while (items.length < count) {
    const result = await source.next()
    if (result.done) break
    items.push(result.value)
  }
  clearInterval(awake)
  return items
}

/** Payloads of items. */
export function payloads(items: readonly { payload: unknown }[]): unknown[] {
  return items.map(({ payload }) => payload)
}

/** A schema for numbers over 0, without a library. */
export const positive = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) =>
      typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'not a number over 0' }] },
    types: undefined as { input: number; output: number } | undefined,
  },
}
