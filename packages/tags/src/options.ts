import { type Duration, OptionReader, type RedisOption } from '@larder/core'

/** Options of `app.register(tags, options)`. */
export interface TagsOptions {
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** A second instance, as `fastify.tags.<name>`. */
  name?: string
  /**
   * The namespace whose entries are invalidated. Left out: those of every cache of this process that uses tags; with no such cache,
   * `'larder'`. A process that only invalidates names the namespace of the caches it means.
   */
  namespace?: string
  /** What an operation on Redis may take before it is kept for later. Default `'250ms'`. */
  deadline?: Duration
  /** How long acknowledged invalidations are kept, to be repeated after a failover that lost them. Default `'30s'`. */
  replayFor?: Duration
  /** Invalidations kept at most while Redis is away; more become one of the whole namespace. Default 10,000. */
  outboxLimit?: number
  /** `heartbeat`: how long what is known of tags is trusted without an answer from Redis. Default `'2s'`. */
  feed?: { heartbeat?: Duration }
}

/** Complete options: durations in milliseconds. */
export interface ResolvedOptions {
  readonly redis: unknown
  readonly name: string | undefined
  readonly namespace: string | undefined
  readonly deadline: number
  readonly heartbeat: number
  readonly replayFor: number
  readonly outboxLimit: number
}

/** Reads, checks and completes the options. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const feed = reader.nested('feed')
  const options: ResolvedOptions = {
    redis: reader.raw('redis'),
    name: reader.string('name', undefined),
    namespace: reader.namespace('namespace', undefined),
    deadline: reader.duration('deadline', 250),
    heartbeat: feed.duration('heartbeat', 2_000),
    replayFor: reader.duration('replayFor', 30_000, 0),
    outboxLimit: reader.integer('outboxLimit', 10_000),
  }
  feed.done()
  reader.done()
  return Object.freeze(options)
}
