import { type Duration, isSchema, OptionReader, type RedisOption, type StandardSchema } from '@larder/core'
import { completeId, isEntryId, START } from './entry-id.js'
import type { MailboxLimits } from './mailbox.js'
import type { OnGap, OnInvalid } from './workshop.js'

/** Options of `app.register(events, options)`. */
export interface EventsOptions {
  /** An ioredis client, a namespace of `@fastify/redis`, or `false` for memory. Default: `fastify.redis`, else memory. */
  redis?: RedisOption
  /** A second instance, as `fastify.events.<name>`; also its name in metrics (default: the namespace). */
  name?: string
  /** First part of every key and channel. Default `'larder'`. */
  namespace?: string
  /** What sending may take before it rejects with `LARDER_EVENTS_UNAVAILABLE`. Default `'1s'`. */
  deadline?: Duration
  /** A connection that has not answered for so long is replaced. Default `'2s'`. */
  heartbeat?: Duration
  /** Messages of a topic that may wait for one subscriber; older ones go, and it is told of the gap. Default 1,000. */
  buffer?: number
  /** Bytes that they may take, about. Default `'1mb'`. */
  bufferBytes?: number | string
  /** Longest payload as JSON, in UTF-16 units. Default `'1mb'`. */
  maxPayloadBytes?: number | string
  /** Told of payloads that cannot be read, where a topic or stream has no such option of its own. Default: one warning each. */
  onInvalid?: OnInvalid
}

/** What topics and streams have in common. */
export interface PayloadOptions<Input = unknown, Output = Input> {
  /** What payloads must be, by [Standard Schema](https://standardschema.dev): checked when they are sent and when they come. */
  schema?: StandardSchema<Input, Output>
  /** Told of payloads that cannot be read. Default: that of the registration. */
  onInvalid?: OnInvalid
}

/** Options of {@link Events.topic}. */
export interface TopicOptions<Input = unknown, Output = Input> extends PayloadOptions<Input, Output> {}

/** Options of {@link Topic.subscribe}. */
export interface SubscribeOptions {
  /** Ends the subscription. */
  signal?: AbortSignal
  /** Told that messages may be missing as soon as it is known; the next message tells it too. */
  onGap?: OnGap
  /** As `buffer` of the registration. */
  buffer?: number
  /** As `bufferBytes` of the registration. */
  bufferBytes?: number | string
}

/** Options of {@link Events.stream}. */
export interface StreamOptions<Input = unknown, Output = Input> extends PayloadOptions<Input, Output> {
  /** Entries kept, about: never fewer, unless fewer were added. Default 100,000. */
  maxLength?: number
}

/** Options of {@link Stream.read}. */
export interface ReadOptions {
  /** Id of the last entry that is known already; `'0'`: all that are kept. Default: those added from now on. */
  after?: string | undefined
  /** Ends it. */
  signal?: AbortSignal
  /** Told that entries may be missing as soon as it is known; the next entry tells it too. */
  onGap?: OnGap
}

/** Options of {@link Stream.consume}. */
export interface ConsumeOptions {
  /** Handlers of this consumer that run at once. With 1, entries are handled in order, apart from those that are tried again. Default 1. */
  concurrency?: number
  /** How often an entry is tried before it is a dead letter. Default 5. */
  attempts?: number
  /** Between attempts: `first` after the first one, twice as long after each further one, never more than `longest`. Default `{ first: '1s', longest: '1m' }`. */
  backoff?: { first?: Duration; longest?: Duration }
  /** Silence after which a consumer counts as dead, and others take over what it holds. Default `'30s'`. */
  claimAfter?: Duration
  /** Where a new group begins: with all that is kept, with what is added from now on, or after an id. Default `'start'`. */
  from?: 'start' | 'now' | (string & {})
  /** Dead letters kept, about: older ones go. Default 100,000. */
  maxDeadLetters?: number
  /** What handlers under way have at most when the consumer is stopped. Default `'10s'`. */
  stopTimeout?: Duration
  /** Told that entries were trimmed before the group had them. */
  onGap?: OnGap
}

/** Complete options: durations in milliseconds. */
export interface ResolvedOptions {
  readonly redis: unknown
  readonly name: string | undefined
  readonly namespace: string
  readonly deadline: number
  readonly heartbeat: number
  readonly limits: MailboxLimits
  readonly maxPayloadBytes: number
  readonly onInvalid: OnInvalid | undefined
}

const MEGABYTE = 1_048_576

/** Reads, checks and completes the options. Throws `LARDER_INVALID_OPTION`. */
export function resolveOptions(raw: unknown): ResolvedOptions {
  const reader = new OptionReader(raw)
  const options: ResolvedOptions = {
    redis: reader.raw('redis'),
    name: reader.string('name', undefined),
    namespace: reader.namespace('namespace', 'larder'),
    deadline: reader.duration('deadline', 1_000),
    heartbeat: reader.duration('heartbeat', 2_000, 20),
    limits: readLimits(reader, { messages: 1_000, bytes: MEGABYTE }),
    maxPayloadBytes: reader.size('maxPayloadBytes', MEGABYTE),
    onInvalid: reader.function<OnInvalid, undefined>('onInvalid', undefined),
  }
  reader.done()
  return Object.freeze(options)
}

/** Complete options of a topic or stream. */
export interface PayloadTerms {
  readonly schema: StandardSchema | undefined
  readonly onInvalid: OnInvalid | undefined
}

/** Completes the options of {@link Events.topic}. */
export function resolveTopic(raw: unknown): PayloadTerms {
  const reader = new OptionReader(raw)
  const terms = readPayload(reader)
  reader.done()
  return terms
}

/** Completes the options of {@link Events.stream}. */
export function resolveStream(raw: unknown): PayloadTerms & { readonly maxLength: number } {
  const reader = new OptionReader(raw)
  const terms = { ...readPayload(reader), maxLength: reader.integer('maxLength', 100_000) }
  reader.done()
  return terms
}

/** Reads the limits of a mailbox. */
export function readLimits(reader: OptionReader, defaults: MailboxLimits): MailboxLimits {
  return { messages: reader.integer('buffer', defaults.messages), bytes: reader.size('bufferBytes', defaults.bytes) }
}

function readPayload(reader: OptionReader): PayloadTerms {
  return {
    schema: reader.value('schema', 'a Standard Schema', isSchema, undefined),
    onInvalid: reader.function<OnInvalid, undefined>('onInvalid', undefined),
  }
}

/** Complete options of a consumer: durations in milliseconds. */
export interface ConsumeTerms extends PayloadTerms {
  readonly concurrency: number
  readonly attempts: number
  readonly backoff: { readonly first: number; readonly longest: number }
  readonly claimAfter: number
  /** The id after which a new group begins, or `'now'`. */
  readonly from: string
  readonly maxDeadLetters: number
  readonly stopTimeout: number
  readonly onGap: OnGap | undefined
}

/** Completes the options of {@link Stream.consume}. */
export function resolveConsume(raw: unknown, payload: PayloadTerms): ConsumeTerms {
  const reader = new OptionReader(raw)
  const backoff = reader.nested('backoff')
  const first = backoff.duration('first', 1_000, 0)
  const longest = backoff.duration('longest', Math.max(60_000, first), 0)
  backoff.done()
  const from = reader.value('from', "`'start'`, `'now'` or the id of an entry", isPlace, 'start')
  const terms: ConsumeTerms = {
    schema: payload.schema,
    onInvalid: payload.onInvalid,
    concurrency: reader.integer('concurrency', 1),
    attempts: reader.integer('attempts', 5),
    backoff: { first, longest },
    claimAfter: reader.duration('claimAfter', 30_000, 10),
    from: from === 'start' ? START : from === 'now' ? from : completeId(from),
    maxDeadLetters: reader.integer('maxDeadLetters', 100_000),
    stopTimeout: reader.duration('stopTimeout', 10_000, 0),
    onGap: reader.function<OnGap, undefined>('onGap', undefined),
  }
  reader.done()
  return terms
}

function isPlace(value: unknown): value is string {
  return value === 'start' || value === 'now' || isEntryId(value)
}
