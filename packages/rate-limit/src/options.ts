import type { RateLimitPluginOptions } from '@fastify/rate-limit'
import { type Duration, type Log, OptionReader, parseDuration, type RedisOption } from '@larder/core'
import type { FastifyRequest } from 'fastify'
import type { AlgorithmName, Policy } from './algorithm.js'
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

type Raw = Record<string, unknown>
type Callback<T> = (request: FastifyRequest, key: string) => T | Promise<T>

/** What Larder itself makes of the options of one limit. */
export interface Limit {
  readonly algorithm: AlgorithmName
  readonly onRedisError: OnRedisError
  readonly cost: number | Callback<number>
  readonly policy: string
  readonly policies: readonly Policy[]
  readonly draftHeaders: boolean
  readonly timeWindow: number | Callback<number>
  readonly key: Callback<string | number> | undefined
  readonly ipv6Subnet: number
  readonly name: string | undefined
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

const DEFAULTS: Limit = Object.freeze({
  algorithm: 'sliding-window',
  onRedisError: 'local',
  cost: 1,
  policy: 'default',
  policies: [],
  draftHeaders: true,
  timeWindow: 60_000,
  key: undefined,
  ipv6Subnet: 64,
  name: undefined,
})

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

function readStoreLimit(reader: OptionReader, defaults: Limit): Limit {
  return {
    ...readCounting(reader, defaults),
    cost: reader.integer('cost', defaults.cost, 0),
    name: reader.string('name', undefined),
  }
}

function readCounting(reader: OptionReader, defaults: Limit): Limit {
  const algorithm = readAlgorithm(reader, defaults.algorithm)
  const answers = ['local', 'open', 'closed'] as const
  return {
    ...defaults,
    algorithm,
    onRedisError: reader.value('onRedisError', oneOf(answers), isIn(answers), defaults.onRedisError),
    policy: reader.value('policy', POLICY_NAME, isPolicyName, defaults.policy),
    policies: readPolicies(reader, algorithm, defaults.policies),
  }
}

function readLimit(reader: OptionReader, defaults: Limit): Limit {
  const key = reader.function<Callback<string | number>, undefined>('key', undefined)
  const generator = reader.function<Callback<string | number>, undefined>('keyGenerator', undefined)
  return {
    ...readCounting(reader, defaults),
    cost: reader.value('cost', 'a whole number of 0 or more, or a function', isCost, defaults.cost),
    draftHeaders: reader.boolean('draftHeaders', defaults.draftHeaders),
    timeWindow: readWindow(reader, defaults.timeWindow),
    key: key ?? generator ?? defaults.key,
    ipv6Subnet: reader.value('ipv6Subnet', 'a whole number from 0 to 128', isSubnet, defaults.ipv6Subnet),
    name: reader.string('name', defaults.name),
  }
}

/** The options that go on as they are, of a registration, route or limiter. */
function readPlugin(reader: OptionReader): Raw {
  const hooks = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const
  return {
    max: reader.value('max', 'a number of 0 or more, or a function', isAmount, undefined),
    ban: reader.integer('ban', undefined, -1),
    hook: reader.value('hook', oneOf(hooks), isIn(hooks), undefined),
    allowList: reader.value('allowList', 'an array of strings, or a function', isAllowList, undefined),
    continueExceeding: reader.boolean('continueExceeding', undefined),
    exponentialBackoff: reader.boolean('exponentialBackoff', undefined),
    skipOnError: reader.boolean('skipOnError', undefined),
    enableDraftSpec: reader.boolean('enableDraftSpec', undefined),
    groupId: reader.string('groupId', undefined),
    errorResponseBuilder: reader.function('errorResponseBuilder', undefined),
    onExceeding: reader.function('onExceeding', undefined),
    onExceeded: reader.function('onExceeded', undefined),
    onBanReach: reader.function('onBanReach', undefined),
  }
}

function readAlgorithm(reader: OptionReader, fallback: AlgorithmName): AlgorithmName {
  const names = ['sliding-window', 'gcra', 'fixed-window'] as const
  return reader.value('algorithm', oneOf(names), isIn(names), fallback)
}

function readPolicies(reader: OptionReader, algorithm: AlgorithmName, fallback: readonly Policy[]): readonly Policy[] {
  const raw = reader.value('policies', 'an object of policies by name', isObject, undefined)
  if (raw === undefined) return fallback
  const policies = reader.nested('policies')
  return Object.keys(raw).map((name): Policy => {
    if (!isPolicyName(name)) throw policies.invalid(name, `named by ${POLICY_NAME}`, name)
    const policy = policies.nested(name)
    const max = policy.integer('max', undefined, 0)
    const window = policy.duration('timeWindow', undefined)
    if (max === undefined) throw policy.invalid('max', 'a whole number of at least 0', max)
    if (window === undefined) throw policy.invalid('timeWindow', 'a positive duration', window)
    const resolved = { name, algorithm: readAlgorithm(policy, algorithm), max, window: Math.ceil(window) }
    policy.done()
    return resolved
  })
}

function readWindow(reader: OptionReader, fallback: Limit['timeWindow']): Limit['timeWindow'] {
  const raw = reader.raw('timeWindow')
  if (raw === undefined) return fallback
  if (typeof raw === 'function') return raw as Callback<number>
  const window = parseDuration(raw)
  if (window === undefined || window < 0)
    throw reader.invalid('timeWindow', 'a duration of 0 or more, or a function', raw)
  return Math.trunc(window)
}

const POLICY_NAME = 'printable ASCII without quotes and backslashes'

/** What a String of structured fields (RFC 9651, section 3.3.3) takes unescaped. */
function isPolicyName(value: unknown): value is string {
  return typeof value === 'string' && /^[ !#-[\]-~]{1,64}$/.test(value)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCost(value: unknown): value is Limit['cost'] {
  return typeof value === 'function' || (Number.isSafeInteger(value) && (value as number) >= 0)
}

function isAmount(value: unknown): value is unknown {
  return typeof value === 'function' || (typeof value === 'number' && Number.isFinite(value) && value >= 0)
}

function isSubnet(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 128
}

function isAllowList(value: unknown): value is unknown {
  return typeof value === 'function' || (Array.isArray(value) && value.every((item) => typeof item === 'string'))
}

function isIn<T extends string>(values: readonly T[]): (value: unknown) => value is T {
  return (value): value is T => values.includes(value as T)
}

function oneOf(values: readonly string[]): string {
  return `one of ${values.map((value) => `'${value}'`).join(', ')}`
}

/** `@fastify/rate-limit` lays options over others, also those that are `undefined`. */
function defined(options: Raw): Raw {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
