import {
  type Codec,
  type Duration,
  type Epoch,
  invalidOption,
  isSchema,
  json,
  namespaceTag,
  OptionReader,
  parseDuration,
  type StandardSchema,
  type Tag,
} from '@larder/core'

/** When a load gives up: `soft` serves what is stale instead, `hard` rejects. A lone duration is the hard one. */
export type Timeout = Duration | { soft?: Duration; hard?: Duration }

/** Tags of an entry, or how to tell them from the loaded value. */
export type Tags<T> = readonly string[] | ((value: T) => readonly string[])

/** What an entry is made with; the defaults of a cache, of a child namespace and of a wrapped function. */
export interface EntryOptions {
  /** How long an entry is fresh. Default `'5m'`. */
  ttl?: Duration
  /** How long after that it may be served while it is loaded anew in the background. Default 0. */
  staleWhileRevalidate?: Duration
  /** How long after `ttl` it may be served when loading fails, or Redis is away. Default 0. */
  staleIfError?: Duration
  /** How long after `ttl` it is kept for the loader only, as `context.stale`, to ask whether it still holds. Default 0. */
  retain?: Duration
  /** Share of `ttl` (0 to 1) by which it is shortened at random, so that entries made together do not end together. Default 0. */
  jitter?: number
  /**
   * Refreshes early, the earlier the longer a load takes: XFetch (Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache
   * Stampede Prevention", VLDB 2015). `true` is a beta of 1; a greater beta is earlier. Default `false`.
   */
  eager?: boolean | number
  /** When a load gives up. Default: never. */
  timeout?: Timeout
  /**
   * `false`: keep no copy in this process; each call gets a value of its own. Default `true`, where the cache has a memory layer.
   */
  memory?: boolean
  /** `true`: hand out a copy of the value that the caller may change. Default `false`: one frozen value for all. */
  clone?: boolean
}

/** Options of one call. */
export interface CallOptions<T = unknown> extends EntryOptions {
  /** Names by which `fastify.tags` invalidates the entry. */
  tags?: Tags<T>
  /** Ends this caller's wait; the load ends with its last caller. */
  signal?: AbortSignal
  /**
   * For `set`: the value was made by the load whose `context.epoch` this is, so that an invalidation since then holds for it too.
   * Default: it is as new as the call.
   */
  epoch?: Epoch
  /** Load although the entry is cached. */
  force?: boolean
  /** A Standard Schema of the value: what does not match is a miss. */
  schema?: StandardSchema<unknown, T>
}

/** Complete options of a call: durations in milliseconds. */
export interface Call {
  readonly ttl: number
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly retain: number
  readonly jitter: number
  /** Beta of XFetch; 0 refreshes at expiry. */
  readonly eager: number
  readonly softTimeout: number | undefined
  readonly hardTimeout: number | undefined
  readonly memory: boolean
  readonly clone: boolean
  readonly tags: Tags<never> | undefined
  readonly signal: AbortSignal | undefined
  readonly epoch: Epoch | undefined
  readonly force: boolean
  readonly schema: StandardSchema | undefined
  readonly codec: Codec
  /** Tags that every entry bears: those of the namespaces that it is in, the outermost first. */
  readonly implicit: readonly Tag[]
  /** Name of the cache, in events. */
  readonly cache: string
  /** The application (`fastify.server`), in events. */
  readonly app: object
}

/** What holds without any option. */
export const DEFAULT_CALL: Call = Object.freeze({
  ttl: 300_000,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  retain: 0,
  jitter: 0,
  eager: 0,
  softTimeout: undefined,
  hardTimeout: undefined,
  memory: true,
  clone: false,
  tags: undefined,
  signal: undefined,
  epoch: undefined,
  force: false,
  schema: undefined,
  codec: json,
  implicit: [namespaceTag('')],
  cache: 'larder',
  app: {},
})

/** Reads the options that an entry is made with. */
export function readEntryOptions(reader: OptionReader, defaults: Call): Call {
  const timeout = readTimeout(reader)
  return {
    ...defaults,
    ttl: reader.duration('ttl', defaults.ttl),
    staleWhileRevalidate: reader.duration('staleWhileRevalidate', defaults.staleWhileRevalidate, 0),
    staleIfError: reader.duration('staleIfError', defaults.staleIfError, 0),
    retain: reader.duration('retain', defaults.retain, 0),
    jitter: reader.value('jitter', 'a number from 0 to 1', isShare, defaults.jitter),
    eager: Number(reader.value('eager', 'a boolean or a number of 0 or more', isBeta, defaults.eager)),
    softTimeout: timeout ? timeout.soft : defaults.softTimeout,
    hardTimeout: timeout ? timeout.hard : defaults.hardTimeout,
    clone: reader.boolean('clone', defaults.clone),
  }
}

/** Whether a copy of this process answers a call with these options as it would one without. */
export function isPlain(raw: Omit<CallOptions, 'tags' | 'schema'> & { schema?: unknown }): boolean {
  return (
    typeof raw === 'object' &&
    raw !== null &&
    !raw.force &&
    !raw.clone &&
    raw.memory !== false &&
    raw.signal === undefined &&
    raw.schema === undefined
  )
}

/** Complete options of a call with these raw options. Throws `LARDER_INVALID_OPTION`. */
export function resolveCall(raw: unknown, defaults: Call): Call {
  if (raw === undefined) return defaults
  const reader = new OptionReader(raw)
  const call = {
    ...readEntryOptions(reader, defaults),
    memory: reader.boolean('memory', true) && defaults.memory,
    tags: reader.value('tags', TAGS_RULE, isTags, defaults.tags),
    signal: reader.signal('signal'),
    epoch: reader.value('epoch', 'the `epoch` of a load', isEpoch, undefined),
    force: reader.boolean('force', false),
    schema: reader.value('schema', 'a Standard Schema', isSchema, defaults.schema),
  }
  reader.done()
  return call
}

function readTimeout(reader: OptionReader): { soft: number | undefined; hard: number | undefined } | undefined {
  const raw = reader.raw('timeout')
  if (raw === undefined) return undefined
  if (typeof raw !== 'object' || raw === null) {
    const hard = parseDuration(raw)
    if (hard === undefined || hard <= 0) throw invalidOption('timeout', 'a positive duration or { soft, hard }', raw)
    return { soft: undefined, hard }
  }
  const nested = reader.nested('timeout')
  const timeout = { soft: nested.duration('soft', undefined), hard: nested.duration('hard', undefined) }
  nested.done()
  return timeout
}

function isEpoch(value: unknown): value is Epoch {
  return typeof value === 'number' && value >= 0
}

function isShare(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 1
}

function isBeta(value: unknown): value is number | boolean {
  return typeof value === 'boolean' || (typeof value === 'number' && value >= 0 && Number.isFinite(value))
}

/** Completes "Expected `tags` to be …". */
export const TAGS_RULE = 'an array of non-empty strings or a function'

/** Whether a value names tags. */
export function isTags(value: unknown): value is Tags<never> {
  return (
    typeof value === 'function' || (Array.isArray(value) && value.every((tag) => typeof tag === 'string' && tag !== ''))
  )
}
