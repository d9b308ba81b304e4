import { type Codec, type Duration, json, OptionReader, type RedisOption, type Size } from '@larder/core'
import { type Call, DEFAULT_CALL, type EntryOptions, readEntryOptions } from './call-options.js'

/** Options of `app.register(cacheAside, options)`. */
export interface CacheAsideOptions extends Omit<EntryOptions, 'memory'> {
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** A second instance, as `fastify.cache.<name>`; also its name in metrics (default: the namespace). */
  name?: string
  /** First part of every key. Default `'larder'`. */
  namespace?: string
  /** With another version none of the old entries is found; tags and `clear()` reach all versions. Default: none. */
  version?: string
  /** The copies in this process; `false` for none. Default `{ maxEntries: 10_000, maxBytes: '64mb', ttl: '1m' }`. */
  memory?: false | { maxEntries?: number; maxBytes?: Size; ttl?: Duration }
  /** What an operation on Redis may take before the loader answers instead. Default `'250ms'`. */
  deadline?: Duration
  /** How values become bytes. Default {@link json}. */
  codec?: Codec
  /** Encoded values larger than this are compressed (gzip). Default: never. */
  compressAbove?: Size
  /** `heartbeat`: how long copies are trusted without an answer from Redis. Default `'2s'`. */
  feed?: { heartbeat?: Duration }
  /** How long a load may go without a sign of life before another process takes over. Default `'5s'`. */
  lease?: Duration
  /** How long acknowledged invalidations are kept, to be repeated after a failover that lost them. Default `'30s'`. */
  replayFor?: Duration
  /** Invalidations kept at most while Redis is away; more become one of the whole namespace. Default 10,000. */
  outboxLimit?: number
  /** Values that take more bytes are not kept. Default `'8mb'`. */
  maxValueBytes?: Size
}

/** Complete options: durations in milliseconds, sizes in bytes. */
export interface ResolvedOptions {
  readonly redis: unknown
  readonly name: string | undefined
  readonly namespace: string
  readonly version: string | undefined
  readonly memory: { readonly maxEntries: number; readonly maxBytes: number; readonly ttl: number } | undefined
  readonly deadline: number
  readonly codec: Codec
  readonly compressAbove: number
  readonly heartbeat: number
  readonly lease: number
  readonly replayFor: number
  readonly outboxLimit: number
  readonly maxValueBytes: number
  readonly call: Call
}

/** Reads, checks and completes the options. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const feed = reader.nested('feed')
  const memory = readMemory(reader)
  const call = readEntryOptions(reader, { ...DEFAULT_CALL, memory: memory !== undefined })
  const options: ResolvedOptions = {
    redis: reader.raw('redis'),
    name: reader.string('name', undefined),
    namespace: reader.namespace('namespace', 'larder'),
    version: reader.namespace('version', undefined),
    memory,
    deadline: reader.duration('deadline', 250),
    codec: readCodec(reader, json),
    compressAbove: reader.size('compressAbove', Number.POSITIVE_INFINITY),
    heartbeat: feed.duration('heartbeat', 2_000),
    lease: reader.duration('lease', 5_000),
    replayFor: reader.duration('replayFor', 30_000, 0),
    outboxLimit: reader.integer('outboxLimit', 10_000),
    maxValueBytes: reader.size('maxValueBytes', 8 * 1024 ** 2),
    call,
  }
  feed.done()
  reader.done()
  return Object.freeze(options)
}

function readMemory(reader: OptionReader): ResolvedOptions['memory'] {
  if (reader.raw('memory') === false) return undefined
  const memory = reader.nested('memory')
  const resolved = {
    maxEntries: memory.integer('maxEntries', 10_000),
    maxBytes: memory.size('maxBytes', 64 * 1024 ** 2),
    ttl: memory.duration('ttl', 60_000),
  }
  memory.done()
  return resolved
}

/** The option `codec`. */
export function readCodec(reader: OptionReader, fallback: Codec): Codec {
  return reader.value('codec', 'a codec: { id, encode, decode, freezable }', isCodec, fallback)
}

function isCodec(value: unknown): value is Codec {
  if (typeof value !== 'object' || value === null) return false
  const { id, encode, decode, freezable } = value as Partial<Codec>
  return (
    typeof id === 'string' &&
    /^[\x21-\x7e]{1,32}$/.test(id) &&
    typeof encode === 'function' &&
    typeof decode === 'function' &&
    typeof freezable === 'boolean'
  )
}
