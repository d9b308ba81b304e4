import {
  type Duration,
  type Epoch,
  encodeTag,
  invalidOption,
  type Namespace,
  OptionReader,
  parseDuration,
} from '@larder/core'
import type { Call, EntryOptions, Tags } from './call-options.js'
import type { Copy } from './copy.js'
import { Envelope } from './envelope.js'
import { ValueTooLargeError } from './errors.js'
import { encodePayload, type PayloadOptions } from './payload.js'
import { conform, type Reader } from './reader.js'
import { withoutVersion } from './version.js'

/** What a loader is given. */
export interface LoadContext {
  /** Aborts at the hard timeout, and when the last caller has left. */
  readonly signal: AbortSignal
  /** The stale value that is loaded anew, if there is one. */
  readonly stale: unknown
  /** When it began, for what is stored beside its value: see {@link CallOptions.epoch}. */
  readonly epoch: Epoch
  /** Nobody waits for this load: its callers were served the stale value. */
  readonly background: boolean
  /** Keeps the value for other times than those of the call. A `ttl` of 0 does not keep it, unless one of them is longer. */
  setTtl(ttl: Duration, windows?: StaleWindows): void
  /** Adds tags to the entry. */
  addTags(...tags: string[]): void
  /** Does not keep the value. */
  skip(): void
}

/** How long after its ttl a value is kept, and what for; see the options of the same names. */
export type StaleWindows = Pick<EntryOptions, 'staleWhileRevalidate' | 'staleIfError' | 'retain'>

/** Loads the value of one key. */
export type Load<T> = (context: LoadContext) => T | Promise<T>

/** A loaded value, ready to be stored. */
export interface Draft {
  readonly copy: Copy
  /** `undefined` when it must not be stored. */
  readonly bytes: Buffer | undefined
  /** Milliseconds that it is stored. */
  readonly life: number
}

/** What the loader said beside its value. */
export class LoadResult {
  ttl: number | undefined
  windows: Partial<Pick<Call, keyof StaleWindows>> = {}
  skipped = false
  readonly tags: string[] = []
  readonly context: LoadContext

  constructor(
    signal: AbortSignal,
    { stale, background = false, epoch = 0 }: { stale?: unknown; background?: boolean | undefined; epoch?: Epoch },
    requireTags: () => void,
  ) {
    this.context = {
      signal,
      stale,
      epoch,
      background,
      setTtl: (ttl, windows) => {
        const milliseconds = parseDuration(ttl)
        if (milliseconds === undefined || milliseconds < 0) throw invalidOption('ttl', 'a duration of 0 or more', ttl)
        this.windows = readWindows(windows)
        if (milliseconds === 0 && !Object.values(this.windows).some((window) => window > 0)) this.skipped = true
        this.ttl = milliseconds
      },
      addTags: (...tags) => {
        requireTags()
        this.tags.push(...tags)
      },
      skip: () => {
        this.skipped = true
      },
    }
  }
}

function readWindows(raw: StaleWindows | undefined): LoadResult['windows'] {
  if (raw === undefined) return {}
  const reader = new OptionReader(raw)
  const windows = {
    staleWhileRevalidate: reader.duration('staleWhileRevalidate', 0, 0),
    staleIfError: reader.duration('staleIfError', 0, 0),
    retain: reader.duration('retain', 0, 0),
  }
  reader.done()
  return windows
}

/** Runs a loader until its signal aborts; what it brings later goes nowhere. */
export async function callLoader(load: Load<unknown>, { context }: LoadResult): Promise<unknown> {
  const { signal } = context
  signal.throwIfAborted()
  const loading = (async () => load(context))()
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    loading.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** What a {@link Draft} is made with. */
export interface DraftOptions extends PayloadOptions {
  readonly namespace: Namespace
  readonly reader: Reader
}

/** What is known of a value when it becomes an entry. */
export interface Loaded {
  readonly value: unknown
  readonly result: LoadResult
  readonly epoch: number
  readonly loadMs: number
}

/**
 * Makes the entry of a value.
 *
 * @throws `LARDER_CACHE_NOT_SERIALIZABLE`; with `strict`, `LARDER_CACHE_VALUE_TOO_LARGE`
 */
export async function draft(
  key: string,
  loaded: Loaded,
  call: Call,
  options: DraftOptions,
  strict = false,
): Promise<Draft> {
  const payload = encodePayload(key, loaded.value, call.codec, options)
  const now = options.namespace.now()
  const { ttl = call.ttl * (1 - call.jitter * Math.random()), skipped } = loaded.result
  const freshUntil = skipped ? now : now + ttl
  const { staleWhileRevalidate, staleIfError, retain } = { ...call, ...loaded.result.windows }
  const own = [...tagsOf(call.tags, loaded.value), ...loaded.result.tags].map(encodeTag)
  const [, ...nested] = call.implicit
  const stored = [...new Set([...nested, ...own])]
  const envelope = Envelope.of({
    freshUntil,
    staleUntil: freshUntil + staleWhileRevalidate,
    errorUntil: freshUntil + staleIfError,
    created: now,
    epoch: loaded.epoch,
    loadMs: loaded.loadMs,
    tags: stored,
    codec: call.codec.id,
    ...payload,
  })
  const tags = stored.length > 0 ? [...new Set([...call.implicit, ...stored])] : call.implicit
  const plain = options.reader.revive(envelope, tags, call)
  const copy = call.schema ? await conform(plain, envelope, call.schema) : plain
  const tooLarge = payload.size > options.maxValueBytes
  if (strict && tooLarge) throw new ValueTooLargeError(withoutVersion(key), payload.size, options.maxValueBytes)
  return {
    copy: copy ?? plain,
    bytes: tooLarge || skipped || copy === undefined ? undefined : envelope.bytes,
    life: Math.max(envelope.staleUntil, envelope.errorUntil, freshUntil + retain) - now,
  }
}

function tagsOf(tags: Tags<never> | undefined, value: unknown): readonly string[] {
  if (typeof tags !== 'function') return tags ?? []
  const told: unknown = tags(value as never)
  // A string would do as a list of its letters.
  if (!Array.isArray(told)) throw invalidOption('tags', 'a function that returns an array of strings', told)
  return told
}
