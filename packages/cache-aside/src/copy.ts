import type { Codec, Epoch, StandardSchema, Tag } from '@larder/core'
import type { Call } from './call-options.js'
import type { Envelope } from './envelope.js'
import { Item } from './fifo.js'
import { thaw } from './freeze.js'

/** What an entry may be used for now. `error`: only when loading fails. */
export type Freshness = 'fresh' | 'stale' | 'error' | 'expired'

/** What an entry of these dates may be used for. `soft`: one of its tags was invalidated softly. */
export function freshnessOf(
  dates: { readonly freshUntil: number; readonly staleUntil: number; readonly errorUntil: number },
  now: number,
  soft: boolean,
): Freshness {
  if (!soft && now < dates.freshUntil) return 'fresh'
  if (now < dates.staleUntil) return 'stale'
  return now < dates.errorUntil ? 'error' : 'expired'
}

/** How a call was answered. */
export type State = 'hit' | 'stale' | 'miss' | 'coalesced' | 'bypass'

/** A decoded entry, kept in this process or on its way to a caller. Dates in milliseconds of Redis time. */
export class Copy extends Item {
  // What a hit looks at comes first, and as small integers: other numbers lie elsewhere in memory.
  /** Clock time, in whole milliseconds, until which a hit needs no further look; set when it is kept. */
  until = -1
  /** `Epochs.changes` when its tags were last found to be valid. */
  checked = -1
  /** The call without options that it was last found to answer, under the key as the user gives it. */
  answers: Call | undefined = undefined
  /** How many namespaces its tags were looked at for: a child looks at more than its parent, who may have the same key. */
  readonly depth: number
  /** What it was decoded by. */
  readonly codec: Codec
  /** The schema that it was checked by. */
  readonly schema: StandardSchema | undefined
  /** Resolved with the frozen value: what a hit hands out. `undefined` where each hit needs a value of its own. */
  readonly promise: Promise<unknown> | undefined
  readonly value: unknown
  /** Makes a value of one's own, where freezing does not protect it. */
  readonly revive: (() => unknown) | undefined
  readonly id: Buffer
  readonly freshUntil: number
  readonly staleUntil: number
  readonly errorUntil: number
  readonly created: number
  readonly epoch: Epoch
  readonly loadMs: number
  /** All tags that it stands or falls with, also those of its namespaces. */
  readonly tags: readonly Tag[]
  readonly bytes: number
  /** Clock time until which it is kept; set when it is kept. */
  keptUntil: number = Number.NEGATIVE_INFINITY
  /** `Feed.connection` when it was read. */
  connection = -1

  constructor(
    envelope: Envelope,
    tags: readonly Tag[],
    value: unknown,
    revive: (() => unknown) | undefined,
    depth: number,
    codec: Codec,
    schema?: StandardSchema,
  ) {
    super()
    this.depth = depth
    this.codec = codec
    this.schema = schema
    this.promise = revive ? undefined : Promise.resolve(value)
    this.value = value
    this.revive = revive
    this.id = Buffer.from(envelope.id)
    this.freshUntil = envelope.freshUntil
    this.staleUntil = envelope.staleUntil
    this.errorUntil = envelope.errorUntil
    this.created = envelope.created
    this.epoch = envelope.epoch
    this.loadMs = envelope.loadMs
    this.tags = tags
    this.bytes = envelope.end - envelope.start
  }

  /** The value for one caller. */
  give(clone: boolean): unknown {
    if (this.revive) return this.revive()
    return clone && !this.codec.immutable ? thaw(this.value) : this.value
  }
}

/** Whether a copy was decoded and looked at as this call wants it to be. */
export function suits(copy: Copy, call: Call): boolean {
  return copy.schema === call.schema && copy.depth >= call.implicit.length && copy.codec === call.codec
}
