import { type Duration, OptionReader, type RedisOption } from '@larder/core'
import type { Flush } from './batch.js'
import type { Coalesce } from './store.js'

/** What counters and queues have in common; the defaults of a registration too, but for `flush`. */
export interface BufferOptions {
  /** How long an entry waits for others before its batch is flushed. Default `'5s'`. */
  every?: Duration
  /**
   * Entries that may wait in Redis, besides the batch that is being flushed; at half of it a batch is flushed ahead of time. Of a
   * sum a key counts once for each process that adds to it; of `'last'` once; of `'all'` each entry counts. Shared out among the
   * shards. Default 10,000.
   */
  maxPending?: number
  /** What an entry meets that does not fit: `'reject'` with `LARDER_WRITE_BEHIND_FULL`, or `'wait'`, at most `wait`. Default `'reject'`. */
  onFull?: 'reject' | 'wait'
  /** How long an entry waits for room. Default `'5s'`. */
  wait?: Duration
  /**
   * Entries that this process keeps in its memory while Redis is away; further ones reject with `LARDER_WRITE_BEHIND_UNAVAILABLE`.
   * 0: resolving means that Redis has it. Shared out among the shards. Default 10,000.
   */
  maxKept?: number
  /** How often a batch is tried before it is a dead letter. Default 10. */
  attempts?: number
  /** How long to wait after the first failure, doubled after each further one, and up to a half less by chance. Default `'200ms'`. */
  retryDelay?: Duration
  /** The longest such wait. Default `'30s'`. */
  maxRetryDelay?: Duration
  /** `false`: this error will not go away, and the batch is a dead letter at once. Default: always `true`. */
  retry?: (error: unknown, attempt: number) => boolean
  /** How long an attempt may take before its signal is aborted and it counts as failed. Default `'30s'`. */
  timeout?: Duration
  /** After how long others take over from a process that died while it flushed; prolonged meanwhile. Default `'10s'`. */
  lease?: Duration
  /**
   * Parts that are flushed independently of each other, by different processes at once; keys are spread by a hash. All processes must
   * say the same; fewer than before only after a `flush()`. Default 1.
   */
  shards?: number
}

/** Options of {@link WriteBehind.counter}. */
export interface CounterOptions extends BufferOptions {
  /** Writes a batch to the database; `false`: this process only adds, and others flush. */
  flush: Flush<number> | false
}

/** Options of {@link WriteBehind.queue}. */
export interface QueueOptions<V> extends BufferOptions {
  /** What becomes of several values of a key. Default `'all'`. */
  coalesce?: Coalesce
  /** Writes a batch to the database; `false`: this process only puts, and others flush. */
  flush: Flush<V> | false
}

/** Options of `app.register(writeBehind, options)`: those of its counters and queues are their defaults. */
export interface WriteBehindOptions extends BufferOptions {
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** A second instance, as `fastify.writeBehind.<name>`; also its name in metrics (default: the namespace). */
  name?: string
  /** First part of every key. Default `'larder'`. */
  namespace?: string
  /** What a question to Redis may take. Default `'1s'`. */
  deadline?: Duration
  /** How long closing the application may take to flush what waits; the rest stays in Redis. Default `'5s'`. */
  closeTimeout?: Duration
}

/** Complete options of a counter or queue: durations in whole milliseconds. */
export interface Settings {
  readonly every: number
  readonly maxPending: number
  readonly onFull: 'reject' | 'wait'
  readonly wait: number
  readonly maxKept: number
  readonly attempts: number
  readonly retryDelay: number
  readonly maxRetryDelay: number
  readonly retry: (error: unknown, attempt: number) => boolean
  readonly timeout: number
  readonly lease: number
  readonly shards: number
}

/** Complete options of a registration: durations in whole milliseconds. */
export interface ResolvedOptions {
  readonly redis: unknown
  readonly name: string | undefined
  readonly namespace: string
  readonly deadline: number
  readonly closeTimeout: number
  readonly settings: Settings
}

const DEFAULTS: Settings = Object.freeze({
  every: 5_000,
  maxPending: 10_000,
  onFull: 'reject',
  wait: 5_000,
  maxKept: 10_000,
  attempts: 10,
  retryDelay: 200,
  maxRetryDelay: 30_000,
  retry: () => true,
  timeout: 30_000,
  lease: 10_000,
  shards: 1,
})

/** Reads, checks and completes the options of a registration. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const options: ResolvedOptions = {
    redis: reader.raw('redis'),
    name: reader.string('name', undefined),
    namespace: reader.namespace('namespace', 'larder'),
    deadline: reader.duration('deadline', 1_000),
    closeTimeout: Math.ceil(reader.duration('closeTimeout', 5_000, 0)),
    settings: readSettings(reader, DEFAULTS),
  }
  reader.done()
  return Object.freeze(options)
}

/** What a counter or queue is made with. */
export interface Resolved {
  readonly settings: Settings
  readonly coalesce: Coalesce
  readonly flush: Flush<never> | false
}

/** Reads, checks and completes the options of a counter. Throws `LARDER_INVALID_OPTION`. */
export function resolveCounter(raw: unknown, defaults: Settings): Resolved {
  const reader = new OptionReader(raw)
  const resolved = { settings: readSettings(reader, defaults), coalesce: 'sum' as const, flush: readFlush(reader) }
  reader.done()
  return resolved
}

/** Reads, checks and completes the options of a queue. Throws `LARDER_INVALID_OPTION`. */
export function resolveQueue(raw: unknown, defaults: Settings): Resolved {
  const reader = new OptionReader(raw)
  const isCoalesce = (value: unknown): value is Coalesce => value === 'sum' || value === 'last' || value === 'all'
  const resolved = {
    settings: readSettings(reader, defaults),
    coalesce: reader.value('coalesce', "'sum', 'last' or 'all'", isCoalesce, 'all' as const),
    flush: readFlush(reader),
  }
  reader.done()
  return resolved
}

function readFlush(reader: OptionReader): Flush<never> | false {
  const isFlush = (value: unknown): value is Flush<never> | false => value === false || typeof value === 'function'
  const flush = reader.value('flush', 'a function, or `false` in a process that does not flush', isFlush, undefined)
  if (flush === undefined)
    throw reader.invalid('flush', 'a function, or `false` in a process that does not flush', flush)
  return flush
}

function readSettings(reader: OptionReader, defaults: Settings): Settings {
  const isOnFull = (value: unknown): value is 'reject' | 'wait' => value === 'reject' || value === 'wait'
  const duration = (name: keyof Settings & keyof BufferOptions, min?: number): number =>
    Math.ceil(reader.duration(name, defaults[name] as number, min))
  const shards = reader.integer('shards', defaults.shards)
  const maxPending = reader.integer('maxPending', defaults.maxPending)
  if (maxPending < shards) throw reader.invalid('maxPending', 'at least the number of `shards`', maxPending)
  return Object.freeze({
    every: duration('every'),
    maxPending,
    onFull: reader.value('onFull', "'reject' or 'wait'", isOnFull, defaults.onFull),
    wait: duration('wait', 0),
    maxKept: reader.integer('maxKept', defaults.maxKept, 0),
    attempts: reader.integer('attempts', defaults.attempts),
    retryDelay: duration('retryDelay', 0),
    maxRetryDelay: duration('maxRetryDelay', 0),
    retry: reader.function<Settings['retry'], Settings['retry']>('retry', defaults.retry),
    timeout: duration('timeout'),
    lease: duration('lease'),
    shards,
  })
}
