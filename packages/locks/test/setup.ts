import { setImmediate as turn } from 'node:timers/promises'
import locks, { type Lock, type Locks, type LocksOptions } from '@larder/locks'
import {
  pollUntil,
  type RedisEndpoint,
  type Site as SharedSite,
  sitesOf,
  type T,
  uniqueNamespace,
} from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'

export { client, codeOf, type T } from '@larder/test-redis'

/** An application with locks, as one process has it: with a client of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly locks: Locks
  /** First part of its keys. */
  readonly namespace: string
}

/** Where leases are kept. */
export interface Site extends SharedSite<LocksOptions, Opened> {
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

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const sites = await sitesOf(open, async ({ app, namespace }, name, options) => {
    await app.register(locks, options)
    return { app, locks: (app.locks as unknown as Record<string, Locks>)[name] as Locks, namespace }
  })
  return sites.map((site) => ({
    ...site,
    left: ({ namespace }) => leftOn(site.nodes, namespace),
    // In memory a waiter stands in the queue as soon as its call has been made.
    queued: async ({ namespace }, waiters) =>
      site.nodes.length === 0 ? turn() : queuedOn(site.nodes, namespace, waiters),
  }))
}

/** Resolves when the lock's signal is aborted, with its reason. Keeps the process awake: a lease does not. */
export function lost({ signal }: Pick<Lock, 'signal'>): Promise<Error & { code?: string }> {
  const awake = setInterval(() => {}, 1_000)
  return new Promise<Error & { code?: string }>((resolve) => {
    if (signal.aborted) resolve(signal.reason)
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true })
  }).finally(() => clearInterval(awake))
}

let passings = 0

/** Lets the time of a lease pass, as another lease of that length tells. */
export async function pass({ locks }: Opened, milliseconds: number): Promise<void> {
  await lost(await locks.acquire(`passing ${++passings}`, { ttl: milliseconds, renew: false }))
}

/** Whether a promise has been settled yet. */
export async function pending(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open')
  return (await Promise.race([promise.catch(() => undefined), Promise.resolve(open)])) === open
}
