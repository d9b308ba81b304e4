import { type OptionReader, parseDuration } from '@larder/core'
import type { FastifyRequest } from 'fastify'
import type { AlgorithmName, Policy } from './algorithm.js'
import type { OnRedisError } from './limiter.js'

/** Options as they were given. */
export type Raw = Record<string, unknown>
/** An option that is asked for each request. */
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

/** A limit of which nothing was said. */
export const DEFAULTS: Limit = Object.freeze({
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

/** Reads what a store without a plugin knows of a limit. */
export function readStoreLimit(reader: OptionReader, defaults: Limit): Limit {
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

/** Reads what Larder adds to a limit. */
export function readLimit(reader: OptionReader, defaults: Limit): Limit {
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
export function readPlugin(reader: OptionReader): Raw {
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

/** Whether it is an object of options. */
export function isObject(value: unknown): value is object {
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
export function defined(options: Raw): Raw {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
