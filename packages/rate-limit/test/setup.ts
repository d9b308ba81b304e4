import rateLimit, { createStore, type RateLimitOptions, type StoreOptions } from '@larder/rate-limit'
import { client, pollUntil, sharedCluster, sharedRedis, type T, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance, type FastifyServerOptions, type InjectOptions } from 'fastify'
import type { Cluster, Redis } from 'ioredis'

export { client, type T } from '@larder/test-redis'

/** An application with limits and routes, as one process has it. */
export interface Opened {
  readonly app: FastifyInstance
  /** First part of its keys. */
  readonly namespace: string
  /** Requests `GET /`, or what the options say. */
  get(options?: InjectOptions): Promise<Answered>
}

/** What a client sees of an answer. */
export interface Answered {
  readonly status: number
  readonly headers: Record<string, string | undefined>
  readonly body: Record<string, unknown>
}

/** What an application is opened with, besides the options of the plugin. */
export interface Opening {
  readonly server?: FastifyServerOptions
  /** Default: `GET /`. */
  readonly routes?: (app: FastifyInstance) => unknown
  /** Runs before the plugin is registered. */
  readonly before?: (app: FastifyInstance) => unknown
}

/** Where limits are kept. */
export interface Site {
  readonly name: string
  open(t: T, options?: RateLimitOptions, opening?: Opening): Promise<Opened>
  /** A store alone. */
  store(t: T, options?: StoreOptions): InstanceType<ReturnType<typeof createStore>>
}

/** An application whose limits have these options. */
export async function open(t: T, options: RateLimitOptions, opening: Opening = {}): Promise<Opened> {
  const app = fastify(opening.server)
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await opening.before?.(app)
  await app.register(rateLimit, { ...options, namespace })
  if (opening.routes) await opening.routes(app)
  else app.get('/', async () => ({ hello: 'world' }))
  return { app, namespace, get: (request) => ask(app, request) }
}

function storeOf(t: T, redis: Redis | Cluster | false, options?: StoreOptions): ReturnType<Site['store']> {
  const Store = createStore(redis, { namespace: uniqueNamespace(), ...options })
  t.teardown(() => Store.close())
  return new Store({})
}

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  return [
    {
      name: 'in memory',
      open: (t, options, opening) => open(t, { redis: false, ...options }, opening),
      store: (t, options) => storeOf(t, false, options),
    },
    {
      name: 'on one Redis',
      open: (t, options, opening) => open(t, { redis: client(t, server), ...options }, opening),
      store: (t, options) => storeOf(t, client(t, server), options),
    },
    {
      name: 'on Cluster',
      open: (t, options, opening) => open(t, { redis: client(t, cluster), ...options }, opening),
      store: (t, options) => storeOf(t, client(t, cluster), options),
    },
  ]
}

/** Asks an application, and gives back what a client sees. */
export async function ask(app: FastifyInstance, request: InjectOptions = {}): Promise<Answered> {
  const { statusCode, headers, body } = await app.inject({ url: '/', ...request })
  return { status: statusCode, headers: headers as Answered['headers'], body: parse(body) }
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    return { text: body }
  }
}

/** The statuses of so many requests, one after the other. */
export async function statuses(times: number, one: () => Promise<Answered>): Promise<number[]> {
  const seen: number[] = []
  for (let i = 0; i < times; i++) seen.push((await one()).status)
  return seen
}

/** Asks until an answer has this status; gives it back. */
export async function until(status: number, one: () => Promise<Answered>): Promise<Answered> {
  let answer = await one()
  await pollUntil(`an answer of ${status}`, async () => {
    if (answer.status !== status) answer = await one()
    return answer.status === status
  })
  return answer
}

/** How a store answers, as a promise. */
export function count(
  store: ReturnType<Site['store']>,
  key: string,
  { window = 60_000, max = 10, read = false } = {},
): Promise<{ current: number; ttl: number }> {
  return new Promise((resolve, reject) => {
    store[read ? 'read' : 'incr'](
      key,
      (error, result) => (result ? resolve(result) : reject(error ?? new Error('no result'))),
      window,
      max,
    )
  })
}

/** Resolves when a look finds nothing in use any more. */
export async function freed(store: ReturnType<Site['store']>, key: string, window: number): Promise<void> {
  await pollUntil('the limit to be free', async () => (await count(store, key, { window, read: true })).current === 0)
}
