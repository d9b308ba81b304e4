import type { CookieSerializeOptions } from '@fastify/cookie'
import { type Duration, invalidOption, OptionReader, type RedisOption } from '@larder/core'
import { Aes, plain, type Sealer } from './sealer.js'
import type { Lifetimes } from './store.js'

/** Who a session may be bound to. */
export type UserId = string | number

/** Attributes of the cookie, as `@fastify/session` takes them. */
export interface CookieOptions
  extends Omit<CookieSerializeOptions, 'signed' | 'maxAge' | 'secure' | 'encode' | 'priority'> {
  /** How long browsers keep it; moved on whenever the session's expiry is. Default: until the browser closes. */
  maxAge?: Duration
  /** Default `'auto'`: on over HTTPS. Behind a TLS proxy set `trustProxy`. */
  secure?: boolean | 'auto'
}

/** Encryption of session data at rest. */
export interface EncryptionOptions {
  /** The first key encrypts, all decrypt: 32 random bytes, or a string of at least 32 characters. */
  keys: readonly (string | Buffer)[]
  /** Reads also what was stored before encryption was on. Default `false`. */
  allowPlain?: boolean
}

/** Reading the sessions of a store that keeps them as JSON under their plain ids, such as connect-redis. */
export interface MigrateOptions {
  /** What stands before the id in their keys. Default `'sess:'`. */
  prefix?: string
  /** Who such a session belongs to. Default: its `userId`. */
  userId?: (data: Readonly<Record<string, unknown>>) => UserId | undefined
}

/** Options of `app.register(sessions, options)`. */
export interface SessionsOptions {
  /** Signs the cookie: at least 32 characters. Of several the first signs, all are accepted. */
  secret: string | readonly string[]
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** A second instance, as `fastify.sessions.<name>`, for a context of its own; also its name in metrics. */
  name?: string
  /** First part of every key. Default `'larder'`. */
  namespace?: string
  /** A session ends when it was not used for so long. Default `'30m'`. */
  idle?: Duration
  /** A session ends so long after its login, however much it is used. Default `'12h'`. */
  absolute?: Duration
  /** The expiry moves at most once in this time. Default a minute, or a quarter of `idle` if that is less. */
  touchEvery?: Duration
  /** Sessions that a user may have; at a login beyond it the oldest go. Default 100. */
  maxPerUser?: number
  /** How long parallel requests with the id from before a rotation are still served. Default `'10s'`. */
  grace?: Duration
  /** Default `'sessionId'`. */
  cookieName?: string
  /** Before the value of the cookie: `'s:'` as express-session has it. Default `''`. */
  cookiePrefix?: string
  /** Default `{ path: '/', httpOnly: true, sameSite: 'lax', secure: 'auto' }`. */
  cookie?: CookieOptions
  /** Stores also sessions that nobody wrote to. Default `false`. */
  saveUninitialized?: boolean
  /** Default: none. */
  encryption?: EncryptionOptions
  /** Default: none. Only with Redis. */
  migrate?: MigrateOptions
  /** What a question to Redis may take. Default `'250ms'`. */
  deadline?: Duration
  /** `'reject'`: requests that need a session get 503 while Redis is away. There is nothing else yet. */
  onRedisError?: 'reject'
  /** The time of the memory store, in milliseconds: for tests. Default `Date.now`. */
  now?: () => number
}

/** Attributes of the cookie, complete. */
export interface ResolvedCookie extends Omit<CookieOptions, 'maxAge'> {
  /** Milliseconds. */
  readonly maxAge?: number
}

/** Complete options: durations in whole milliseconds. */
export interface ResolvedOptions {
  readonly secret: readonly string[]
  readonly redis: unknown
  readonly name: string | undefined
  readonly namespace: string
  readonly lifetimes: Lifetimes
  readonly maxPerUser: number
  readonly grace: number
  readonly cookieName: string
  readonly cookiePrefix: string
  readonly cookie: ResolvedCookie
  readonly saveUninitialized: boolean
  readonly sealer: Sealer
  readonly migrate: Required<MigrateOptions> | undefined
  readonly deadline: number
  readonly now: (() => number) | undefined
}

const IDLE = 30 * 60_000
const ABSOLUTE = 12 * 3_600_000
const TOUCH_EVERY = 60_000
const SECRET_LENGTH = 32

/** Reads, checks and completes the options. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const options: ResolvedOptions = {
    secret: readSecret(reader),
    redis: reader.raw('redis'),
    name: reader.string('name', undefined),
    namespace: reader.namespace('namespace', 'larder'),
    lifetimes: readLifetimes(reader),
    maxPerUser: reader.integer('maxPerUser', 100),
    grace: Math.ceil(reader.duration('grace', 10_000, 0)),
    cookieName: reader.string('cookieName', 'sessionId'),
    cookiePrefix: reader.value('cookiePrefix', 'a string', isString, ''),
    cookie: readCookie(reader),
    saveUninitialized: reader.boolean('saveUninitialized', false),
    sealer: readSealer(reader),
    migrate: readMigrate(reader),
    deadline: reader.duration('deadline', 250),
    now: reader.function<() => number, undefined>('now', undefined),
  }
  reader.value('onRedisError', "`'reject'`", (value): value is 'reject' => value === 'reject', 'reject')
  reader.done()
  return Object.freeze(options)
}

/** Checks a user's id. Throws `LARDER_INVALID_OPTION`. */
export function checkUserId(value: unknown): UserId {
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw invalidOption('userId', 'a non-empty string or a number', value)
}

function readSecret(reader: OptionReader): readonly string[] {
  const raw = reader.raw('secret')
  const secrets: unknown[] = Array.isArray(raw) ? raw : [raw]
  if (secrets.length > 0 && secrets.every((secret) => typeof secret === 'string' && secret.length >= SECRET_LENGTH)) {
    return Object.freeze([...(secrets as string[])])
  }
  // The value itself stays out of the message: it may be a secret.
  const rule = 'a string of at least 32 characters, or an array of such'
  if (raw === undefined || raw === null || Array.isArray(raw)) throw reader.invalid('secret', rule, raw)
  throw reader.invalid('secret', rule, typeof raw === 'string' ? `${raw.length} characters` : typeof raw)
}

function readLifetimes(reader: OptionReader): Lifetimes {
  const longest = reader.duration('absolute', undefined)
  const idle = Math.ceil(reader.duration('idle', Math.min(IDLE, longest ?? IDLE)))
  const absolute = Math.ceil(longest ?? Math.max(ABSOLUTE, idle))
  const touchEvery = Math.ceil(reader.duration('touchEvery', Math.min(TOUCH_EVERY, idle / 4), 0))
  if (absolute < idle) throw reader.invalid('absolute', 'at least as long as `idle`', reader.raw('absolute'))
  if (touchEvery > Math.max(1, idle / 2))
    throw reader.invalid(
      'touchEvery',
      'at most half of `idle`, else sessions in use would end',
      reader.raw('touchEvery'),
    )
  return { idle, absolute, touchEvery }
}

function readCookie(reader: OptionReader): ResolvedCookie {
  const nested = reader.nested('cookie')
  const cookie = {
    path: nested.string('path', '/'),
    httpOnly: nested.boolean('httpOnly', true),
    sameSite: nested.value('sameSite', "a boolean, `'lax'`, `'strict'` or `'none'`", isSameSite, 'lax'),
    secure: nested.value('secure', "a boolean or `'auto'`", isSecure, 'auto'),
    domain: nested.string('domain', undefined),
    partitioned: nested.boolean('partitioned', undefined),
    expires: nested.value('expires', 'a date', isDate, undefined),
    maxAge: nested.duration('maxAge', undefined),
  }
  nested.done()
  return Object.freeze(Object.fromEntries(Object.entries(cookie).filter(([, value]) => value !== undefined)))
}

function isSameSite(value: unknown): value is boolean | 'lax' | 'strict' | 'none' {
  return typeof value === 'boolean' || value === 'lax' || value === 'strict' || value === 'none'
}

function isSecure(value: unknown): value is boolean | 'auto' {
  return typeof value === 'boolean' || value === 'auto'
}

function isDate(value: unknown): value is Date {
  return value instanceof Date && !Number.isNaN(value.getTime())
}

function readSealer(reader: OptionReader): Sealer {
  if (reader.raw('encryption') === undefined) return plain
  const nested = reader.nested('encryption')
  const keys = nested.raw('keys')
  const allowPlain = nested.boolean('allowPlain', false)
  nested.done()
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isKey))
    throw nested.invalid('keys', 'an array of Buffers of 32 bytes or strings of at least 32 characters', typeof keys)
  return new Aes(keys as [string | Buffer], allowPlain)
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function isKey(key: unknown): key is string | Buffer {
  return Buffer.isBuffer(key) ? key.length === 32 : typeof key === 'string' && key.length >= SECRET_LENGTH
}

function readMigrate(reader: OptionReader): Required<MigrateOptions> | undefined {
  if (reader.raw('migrate') === undefined) return undefined
  const nested = reader.nested('migrate')
  const prefix = nested.value('prefix', 'a string', isString, 'sess:')
  const userId = nested.function<NonNullable<MigrateOptions['userId']>, undefined>('userId', undefined)
  nested.done()
  return { prefix, userId: userId ?? (({ userId }) => userId as UserId | undefined) }
}
