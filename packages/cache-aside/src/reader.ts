import { Fence, type Namespace, READ_AT_ONCE, type StandardSchema, type Tag, type Verdict } from '@larder/core'
import type { Call } from './call-options.js'
import { Copy, type Freshness, freshnessOf, suits } from './copy.js'
import { asEntry, decodeSlot, decodeTags, type Envelope } from './envelope.js'
import { deepFreeze } from './freeze.js'
import type { Memory } from './memory.js'
import { decodePayload, type PayloadOptions } from './payload.js'
import type { Store } from './store.js'

/** What was found under a key. */
export type Found =
  | { readonly state: 'found'; readonly copy: Copy; readonly freshness: Exclude<Freshness, 'expired'> }
  /** `refuse`: the id of an entry that is there and must not be used. `expired`: it, where it is kept to be revalidated. */
  | { readonly state: 'absent'; readonly refuse?: Buffer | undefined; readonly expired?: Copy }
  /** Redis could not be asked. `copy`: the last one that was known, if `staleIfError` allows it. */
  | { readonly state: 'unavailable'; readonly copy: Copy | undefined }

/** The value of a fresh entry that is kept nowhere, the caller's own: it lies in the list of values. */
export interface FreshValue {
  readonly state: 'value'
}

const FRESH_VALUE: FreshValue = { state: 'value' }

/** Lists of tags kept at most, for each namespace. */
const MAX_LISTS = 1_000

/** Whether {@link Reader.value} answers this call where the entry is fresh. */
export function isStraight(call: Call): boolean {
  return !call.memory && !call.force && call.schema === undefined && call.eager === 0
}

/** See {@link Reader.value}. */
export const NOT_FRESH: unique symbol = Symbol('not fresh')

const ABSENT: Found = { state: 'absent' }

/** What a {@link Reader} reads from and with. */
export interface ReaderOptions extends PayloadOptions {
  readonly namespace: Namespace
  readonly store: Store
  readonly memory: Memory | undefined
}

/** Looks entries up: in the copies of this process, then in the store. Tells what may be used, never decides to load. */
export class Reader {
  /** Tells reads that overlap a change of their key. */
  readonly fence: Fence = new Fence()
  readonly #options: ReaderOptions
  readonly #namespace: Namespace
  readonly #tagLists = new WeakMap<readonly Tag[], Map<string, readonly Tag[]>>()

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#namespace = options.namespace
  }

  /** A copy of this process that may be used; `undefined` when the store must be asked. */
  local(key: string, call: Call): { copy: Copy; freshness: Exclude<Freshness, 'expired'> } | undefined {
    const copy = this.#options.memory?.copies.get(key)
    if (copy === undefined || !suits(copy, call)) return undefined
    const { clock, epochs, feed } = this.#namespace
    const now = clock.now()
    if (now > feed.trustedUntil || copy.connection !== feed.connection || now > copy.keptUntil) return undefined
    const verdict = epochs.verdict(copy.tags, copy.epoch)
    if (verdict === 'unknown') return undefined
    const freshness = freshnessOf(copy, this.#namespace.now(), verdict === 'stale')
    if (verdict === 'invalid' || freshness === 'expired') {
      this.#options.memory?.copies.delete(key)
      return undefined
    }
    if (verdict === 'fresh') copy.checked = epochs.changes
    return { copy, freshness }
  }

  /** What the store has. Never rejects. */
  async read(key: string, call: Call): Promise<Found> {
    const mark = this.fence.begin()
    const { connection } = this.#namespace.feed
    try {
      const found = await this.found(await this.#options.store.read(key), call)
      if (found.state === 'found') this.keep(key, found.copy, call, mark, connection)
      return found
    } catch (error) {
      return this.failed(key, call, error)
    } finally {
      this.fence.end()
    }
  }

  /**
   * The value of a fresh entry, as it comes from the store; {@link NOT_FRESH} for anything that wants a closer look. The way of a hit
   * that is kept nowhere: nothing but the value is made, and it is the caller's own. `now`: the time of the clock.
   */
  value(bytes: Buffer | null, call: Call, now: number): unknown {
    const envelope = bytes === null ? undefined : asEntry(bytes)
    // Written so that a date which is no number is not fresh.
    if (envelope === undefined || !(now + this.#namespace.offset < envelope.freshUntil)) return NOT_FRESH
    const { epoch } = envelope
    if (!(epoch > 0) || !envelope.isOf(call.codec.id)) return NOT_FRESH
    const tags = this.#tagsOf(envelope, call.implicit)
    if (tags === undefined || this.#namespace.epochs.verdict(tags, epoch, now) !== 'fresh') return NOT_FRESH
    try {
      return decodePayload(envelope, call.codec, this.#options)
    } catch {
      return NOT_FRESH
    }
  }

  /** What was found, of what the store answered. Rejects when its tags cannot be read. */
  async found(bytes: Buffer | null, call: Call): Promise<Found> {
    return bytes === null ? ABSENT : (this.judge(bytes, call) ?? (await this.examine(bytes, call)))
  }

  /** What is to be used when the store did not answer. A key of another type than string holds nothing of ours. */
  failed(key: string, call: Call, error: unknown): Found {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return ABSENT
    return this.#unavailable(key, call)
  }

  /** What the store has of many keys, each as by {@link read}; where nothing is kept, fresh values go straight into `values`. */
  async readMany(keys: readonly string[], call: Call, values: unknown[]): Promise<(Found | FreshValue)[]> {
    const mark = this.fence.begin()
    const { connection } = this.#namespace.feed
    const straight = isStraight(call)
    const found: (Found | FreshValue)[] = new Array(keys.length)
    const readFrom = async (start: number): Promise<void> => {
      const part = keys.slice(start, start + READ_AT_ONCE)
      const slots = await this.#options.store.readMany(part)
      const now = this.#namespace.clock.now()
      for (let i = 0; i < part.length; i++) {
        const bytes = slots[i] as Buffer | null
        const value = straight ? this.value(bytes, call, now) : NOT_FRESH
        if (value !== NOT_FRESH) {
          values[start + i] = value
          found[start + i] = FRESH_VALUE
          continue
        }
        const one = (bytes === null ? ABSENT : this.judge(bytes, call)) ?? (await this.examine(bytes as Buffer, call))
        if (one.state === 'found') this.keep(part[i] as string, one.copy, call, mark, connection)
        found[start + i] = one
      }
    }
    const parts: Promise<void>[] = []
    for (let start = 0; start < keys.length; start += READ_AT_ONCE) parts.push(readFrom(start))
    const read = await Promise.allSettled(parts)
    this.fence.end()
    return read.every(({ status }) => status === 'fulfilled') ? found : keys.map((key) => this.#unavailable(key, call))
  }

  /** What these bytes of the store are worth, where that can be told at once. */
  judge(bytes: Buffer, call: Call): Found | undefined {
    const slot = decodeSlot(bytes)
    if (slot.state === 'foreign') return { state: 'absent', refuse: slot.id }
    if (slot.state !== 'entry') return ABSENT
    const tags = this.#tagsOf(slot.envelope, call.implicit) as readonly Tag[]
    const verdict = this.#namespace.epochs.verdict(tags, slot.envelope.epoch)
    return verdict === 'unknown' || call.schema ? undefined : this.#weigh(slot.envelope, tags, verdict, call)
  }

  /** What these bytes of the store are worth. Rejects when their tags cannot be read. */
  async examine(bytes: Buffer, call: Call): Promise<Found> {
    const slot = decodeSlot(bytes)
    if (slot.state !== 'entry') return this.judge(bytes, call) ?? ABSENT
    const { envelope } = slot
    const tags = this.#tagsOf(envelope, call.implicit) as readonly Tag[]
    const found = this.#weigh(envelope, tags, await this.#namespace.epochs.check(tags, envelope.epoch), call)
    if (found.state !== 'found' || call.schema === undefined) return found
    const copy = await conform(found.copy, envelope, call.schema)
    return copy ? { ...found, copy } : { state: 'absent', refuse: envelope.id }
  }

  /** Keeps a copy in this process, if nothing was heard of its key since the mark was taken. */
  keep(key: string, copy: Copy, call: Call, mark: number, connection: number): void {
    const { memory } = this.#options
    const { feed, epochs } = this.#namespace
    if (memory === undefined || !call.memory || !this.#namespace.trusted()) return
    if (connection !== feed.connection || !this.fence.clear(key, mark)) return
    // The tags must be known now: one may have been heard to change while the entry was on its way.
    const verdict = epochs.verdict(copy.tags, copy.epoch)
    if (verdict === 'fresh' || verdict === 'stale') {
      memory.keep(key, copy, connection, verdict === 'fresh' ? epochs.changes : -1, call.eager)
    }
  }

  /** The copy of a value, as every hit will give it. Throws for bytes that the codec did not make. */
  revive(envelope: Envelope, tags: readonly Tag[], { implicit, codec }: Call): Copy {
    const value = decodePayload(envelope, codec, this.#options)
    const plain = envelope.kind === 'undefined' || (envelope.kind === 'codec' && codec.freezable)
    const shared = (envelope.kind === 'codec' && codec.immutable) || (plain && deepFreeze(value))
    const revive = shared ? undefined : (): unknown => decodePayload(envelope, codec, this.#options)
    return new Copy(envelope, tags, value, revive, implicit.length, codec)
  }

  /** All tags that an entry stands or falls with; entries have few different lists, so each is made once. */
  #tagsOf(envelope: Envelope, implicit: readonly Tag[]): readonly Tag[] | undefined {
    const text = envelope.tagText
    if (text === '') return implicit
    let lists = this.#tagLists.get(implicit)
    if (lists === undefined || lists.size >= MAX_LISTS) {
      lists = new Map()
      this.#tagLists.set(implicit, lists)
    }
    const known = lists.get(text)
    if (known !== undefined) return known
    const stored = decodeTags(text)
    if (stored === undefined) return undefined
    const all = [...implicit, ...stored.filter((tag) => !implicit.includes(tag))]
    lists.set(text, all)
    return all
  }

  #weigh(envelope: Envelope, tags: readonly Tag[], verdict: Exclude<Verdict, 'unknown'>, call: Call): Found {
    const refused: Found = { state: 'absent', refuse: envelope.id }
    if (verdict === 'invalid' || !envelope.isOf(call.codec.id)) return refused
    const freshness = freshnessOf(envelope, this.#namespace.now(), verdict === 'stale')
    if (freshness === 'expired' && call.retain === 0) return refused
    try {
      const copy = this.revive(envelope, tags, call)
      return freshness === 'expired' ? { ...refused, expired: copy } : { state: 'found', copy, freshness }
    } catch {
      return refused
    }
  }

  #unavailable(key: string, call: Call): Found {
    const copy = this.#options.memory?.copies.peek(key)
    const { epochs } = this.#namespace
    const usable =
      copy !== undefined &&
      suits(copy, call) &&
      this.#namespace.now() < copy.errorUntil &&
      copy.errorUntil > copy.freshUntil &&
      epochs.lastVerdict(copy.tags, copy.epoch) !== 'invalid'
    return { state: 'unavailable', copy: usable ? copy : undefined }
  }
}

/** The copy as its schema gives it back; `undefined` when it does not match. */
export async function conform(copy: Copy, envelope: Envelope, schema: StandardSchema): Promise<Copy | undefined> {
  try {
    const result = await schema['~standard'].validate(copy.give(false))
    if (result.issues) return undefined
    const { value } = result
    const same = value === copy.value
    const revive = same ? copy.revive : deepFreeze(value) ? undefined : () => structuredClone(value)
    return new Copy(envelope, copy.tags, value, revive, copy.depth, copy.codec, schema)
  } catch {
    return undefined
  }
}
