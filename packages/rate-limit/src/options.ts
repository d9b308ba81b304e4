import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import { type Duration, type Log, OptionReader, type RedisOption } from '@larder/core'
import type { FastifyRequest } from 'fastify'
import type { AlgorithmName } from './algorithm.js'
import { DEFAULTS, defined, isObject, type Limit, type Raw, readLimit, readPlugin, readStoreLimit } from './limit.js'
import type { OnRedisError } from './limiter.js'

/** A further limit that a request must meet. */
export interface PolicyOptions {
  /** Units of cost in a window. */
  max: number
  /** Milliseconds, or such as `'1s'`. */
  timeWindow: Duration
  /** Default: as the limit that it stands beside. */
  algorithm?: AlgorithmName
}

/** What Larder adds to a limit, for the whole application, a route (`config.rateLimit`) or a limiter. */
export interface LimitOptions {
  /** How requests are counted. Default `'sliding-window'`. */
  algorithm?: AlgorithmName
  /** When Redis cannot be asked: this process limits by itself, everybody is let in, or nobody (503). Default `'local'`. */
  onRedisError?: OnRedisError
  /** Units that a request takes; 0: it is let in while there is room, and counts nothing. Default 1. */
  cost?: number | ((request: FastifyRequest) => number | Promise<number>)
  /** The name of the limit by `max` and `timeWindow` in `RateLimit` and `RateLimit-Policy`. Default `'default'`. */
  policy?: string
  /** Further limits by name, all of which must have room, asked for in the same command. Default none. */
  policies?: Record<string, PolicyOptions>
  /** Whether answers bear `RateLimit` and `RateLimit-Policy`. Default `true`. */
  draftHeaders?: boolean
  /** Whose limit it is: `keyGenerator` by a shorter name. Default: the session's user, else the IP address. */
  key?: (request: FastifyRequest) => string | number | Promise<string | number>
  /** For `createRateLimit` and `rateLimit`: limiters of one name share their counts; others never do. */
  name?: string
}

/** Options of `createStore(redis, options)`. */
export interface StoreOptions {
  algorithm?: AlgorithmName
  onRedisError?: OnRedisError
  cost?: number
  policy?: string
  policies?: Record<string, PolicyOptions>
  /** What a question to Redis may take. Default `'250ms'`. */
  deadline?: Duration
  /** First part of every key. Default `'larder'`. */
  namespace?: string
  /** What every key begins with, word for word, instead of `<namespace>:limit:`. */
  nameSpace?: string
  /** Keys that are remembered in memory; beyond, the one asked for the longest ago is forgotten. Default 50000. */
  cache?: number
  /** Told when Redis is lost and back; a Fastify logger fits. Default: nobody. */
  log?: Log
  /** The time of the memory store in milliseconds, never going back. For tests. */
  clock?: () => number
}

/** Options of `app.register(rateLimit, options)`: those of `@fastify/rate-limit`, and Larder's. */
export interface RateLimitOptions
  extends Omit<RateLimitPluginOptions, 'redis' | 'store' | keyof LimitOptions>,
    LimitOptions {
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** What a question to Redis may take before `onRedisError` applies. Default `'250ms'`. */
  deadline?: Duration
  /** First part of every key. Default `'larder'`. */
  namespace?: string
}

declare module '@fastify/rate-limit' {
  interface CreateRateLimitOptions extends LimitOptions {}
}

/** Complete options of a store. */
export interface ResolvedStore {
  readonly limit: Limit
  readonly deadline: number
  readonly prefix: string
  readonly cache: number
  readonly log: Log | undefined
  readonly clock: (() => number) | undefined
}

/** Complete options of a registration. */
export interface ResolvedOptions extends ResolvedStore {
  readonly redis: unknown
  /** What goes on to `@fastify/rate-limit`. */
  readonly plugin: Raw
}

/** Options that only a registration has. */
const GLOBAL = ['redis', 'deadline', 'namespace', 'nameSpace', 'cache', 'global', 'addHeaders', 'addHeadersOnExceeding']

/** Reads, checks and completes the options of a registration. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const limit = readLimit(reader, DEFAULTS)
  const options: ResolvedOptions = {
    limit,
    ...readStore(reader),
    redis: reader.raw('redis'),
    log: undefined,
    clock: undefined,
    plugin: defined({
      ...readPlugin(reader),
      global: reader.boolean('global', undefined),
      addHeaders: reader.value('addHeaders', 'an object', isObject, undefined),
      addHeadersOnExceeding: reader.value('addHeadersOnExceeding', 'an object', isObject, undefined),
    }),
  }
  reader.done()
  return Object.freeze(options)
}

/** Reads, checks and completes the options of a store alone. Throws `LARDER_INVALID_OPTION`. */
export function resolveStore(raw: unknown): ResolvedStore {
  const reader = new OptionReader(raw)
  const options: ResolvedStore = {
    limit: readStoreLimit(reader, DEFAULTS),
    ...readStore(reader),
    log: reader.value('log', 'a logger', isObject as (value: unknown) => value is Log, undefined),
    clock: reader.function<() => number, undefined>('clock', undefined),
  }
  reader.done()
  return Object.freeze(options)
}

/** The options of a route or limiter, over those of the registration. Throws `LARDER_INVALID_OPTION`. */
export function resolveLimit(raw: unknown, path: string, defaults: Limit): { limit: Limit; plugin: Raw } {
  const reader = new OptionReader(raw, path)
  for (const name of GLOBAL) reader.raw(name)
  const limit = readLimit(reader, { ...defaults, name: undefined })
  const plugin = defined(readPlugin(reader))
  reader.done()
  return { limit, plugin }
}

/** What a store finds among the options of a route, if nobody has prepared them. Throws `LARDER_INVALID_OPTION`. */
export function resolveStoreLimit(raw: Raw, path: string, defaults: Limit): Limit {
  return readStoreLimit(new OptionReader(raw, path), defaults)
}

function readStore(reader: OptionReader): { deadline: number; prefix: string; cache: number } {
  const namespace = reader.namespace('namespace', 'larder')
  return {
    deadline: reader.duration('deadline', 250),
    prefix: reader.string('nameSpace', `${namespace}:limit:`),
    cache: reader.integer('cache', 50_000),
  }
}
