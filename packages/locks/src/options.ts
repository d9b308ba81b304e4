import { type Duration, invalidOption, OptionReader, parseDuration, type RedisOption } from '@larder/core'

/** What a lock is acquired with; the defaults of a registration, a semaphore and a read-write lock. */
export interface LeaseOptions {
  /**
   * How long the lock stays with a holder that died, and how long after losing touch with Redis a holder is told that it lost
   * it. Renewed every third of it while held. Default `'10s'`.
   */
  ttl?: Duration
  /** How long to wait until it is free; 0: not at all. Default `'5s'`. */
  wait?: Duration
  /**
   * Replicas that must have the lease before it counts (WAIT), so that a failover to one of them cannot grant it twice. Costs a
   * further round trip and a connection. Default 0.
   */
  requireReplicas?: number
  /** `false`: the lease ends after `ttl` unless `extend()` is called. Default `true`. */
  renew?: boolean
}

/** Options of one call. */
export interface AcquireOptions extends LeaseOptions {
  /** Ends the wait; nothing of it stays behind. */
  signal?: AbortSignal
}

/** Options of {@link Locks.semaphore}. */
export interface SemaphoreOptions extends LeaseOptions {
  /** How many may hold it at once. All who use it should say the same. */
  permits: number
}

/** Options of `app.register(locks, options)`. */
export interface LocksOptions extends LeaseOptions {
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** A second instance, as `fastify.locks.<name>`; also its name in metrics (default: the namespace). */
  name?: string
  /** First part of every key. Default `'larder'`. */
  namespace?: string
  /** What a question to Redis may take before it rejects with `LARDER_LOCKS_UNAVAILABLE`. Default `'1s'`. */
  deadline?: Duration
}

/** Complete options of a call: durations in whole milliseconds. */
export interface Terms {
  readonly ttl: number
  readonly wait: number
  readonly requireReplicas: number
  readonly renew: boolean
  readonly signal: AbortSignal | undefined
}

/** Complete options: durations in whole milliseconds. */
export interface ResolvedOptions {
  readonly redis: unknown
  readonly name: string | undefined
  readonly namespace: string
  readonly deadline: number
  readonly terms: Terms
}

/** What a timer takes: 24 days. Longer waits end then. */
const LONGEST_WAIT = 2 ** 31 - 1

const DEFAULTS: Terms = Object.freeze({ ttl: 10_000, wait: 5_000, requireReplicas: 0, renew: true, signal: undefined })

/** Reads, checks and completes the options. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const options: ResolvedOptions = {
    redis: reader.raw('redis'),
    name: reader.string('name', undefined),
    namespace: reader.namespace('namespace', 'larder'),
    deadline: reader.duration('deadline', 1_000),
    terms: readLease(reader, DEFAULTS),
  }
  reader.done()
  return Object.freeze(options)
}

/** Completes the options of {@link Locks.semaphore}. */
export function resolveSemaphore(raw: unknown, defaults: Terms): { permits: number; terms: Terms } {
  const reader = new OptionReader(raw)
  const permits = reader.integer('permits', undefined)
  if (permits === undefined) throw invalidOption('permits', 'a whole number of at least 1', permits)
  const terms = readLease(reader, defaults)
  reader.done()
  return { permits, terms }
}

/** Completes the options that a kind of lock is made with. */
export function resolveDefaults(raw: unknown, defaults: Terms): Terms {
  const reader = new OptionReader(raw)
  const terms = readLease(reader, defaults)
  reader.done()
  return terms
}

/** Completes the options of a call. The way of most: a short literal of known options. */
export function resolveCall(raw: AcquireOptions | undefined, defaults: Terms): Terms {
  if (raw === undefined) return defaults
  const reader = new OptionReader(raw)
  const terms = { ...readLease(reader, defaults), signal: reader.signal('signal') }
  reader.done()
  return terms
}

/** The length of a lease in whole milliseconds. Throws `LARDER_INVALID_OPTION`. */
export function resolveTtl(value: unknown): number {
  const ttl = parseDuration(value)
  if (ttl === undefined || ttl <= 0) throw invalidOption('ttl', 'a positive duration', value)
  return Math.ceil(ttl)
}

function readLease(reader: OptionReader, defaults: Terms): Terms {
  return {
    ttl: Math.ceil(reader.duration('ttl', defaults.ttl)),
    wait: Math.min(Math.ceil(reader.duration('wait', defaults.wait, 0)), LONGEST_WAIT),
    requireReplicas: reader.integer('requireReplicas', defaults.requireReplicas, 0),
    renew: reader.boolean('renew', defaults.renew),
    signal: undefined,
  }
}
