import { randomFillSync } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Epoch, Tag } from '@larder/core'

/*
 * What stands in Redis under `<ns>:v:{key}` for an entry, all numbers big-endian:
 *
 *      0  'E1'; 'X1' once expired       28  stale until (double, ms)
 *      2  flags                         36  error until (double, ms)
 *      3  length of the codec's id      44  epoch (double, µs)
 *      4  id (8 bytes)                  52  load time (float, ms)
 *     12  fresh until (double, ms)      56  length of the tags (32 bits)
 *     20  created (double, ms)          60  the codec's id (ASCII), tags (JSON, when there are any), payload
 *                                           last 4 bytes: CRC-32 of all before, as it was with 'E1' (little-endian)
 *
 * Dates are Redis time. `expire.lua` overwrites the first byte; the other scripts compare bytes 0 to 12. The checksum is there because
 * what was cut short, or written over by somebody else, might still decode to a value.
 */
const HEADER_BYTES = 60
const CHECKSUM_BYTES = 4
const ENTRY = 0x4531
const EXPIRED = 0x5831
/** The CRC-32 of any bytes that end with their CRC-32. */
const RESIDUE = 0x2144df1c
/** `L1` and a token: somebody loads this key. `W1`: somebody writes it to the database. */
const LOADING = 0x4c31
const WRITING = 0x5731
const PLACEHOLDER_BYTES = 18

const COMPRESSED = 1
const KINDS = { codec: 0, undefined: 2, buffer: 4, bytes: 6 } as const

/** What a payload is: made by the codec, `undefined`, a `Buffer`, or another `Uint8Array`. */
export type PayloadKind = keyof typeof KINDS

/** What an entry is made of. Dates in milliseconds of Redis time. */
export interface EnvelopeFields {
  readonly freshUntil: number
  /** Until then a stale value may be served while it is loaded anew. */
  readonly staleUntil: number
  /** Until then a stale value may be served when loading fails. */
  readonly errorUntil: number
  readonly created: number
  readonly epoch: Epoch
  /** Milliseconds that the load took. */
  readonly loadMs: number
  readonly tags: readonly Tag[]
  readonly codec: string
  readonly kind: PayloadKind
  readonly compressed: boolean
  readonly payload: Buffer
}

const NO_TAGS: readonly Tag[] = []
const KIND_NAMES: readonly (PayloadKind | undefined)[] = [0, 2, 4, 6].reduce<(PayloadKind | undefined)[]>(
  (names, bits) => {
    names[bits] = (Object.keys(KINDS) as PayloadKind[]).find((name) => KINDS[name] === bits)
    return names
  },
  [],
)

/** An entry as it is stored, read in place. */
export class Envelope implements EnvelopeFields {
  readonly bytes: Buffer
  /** Where the payload begins. */
  readonly start: number
  /** Where it ends. */
  readonly end: number
  readonly #codecEnd: number

  /** Makes the bytes of an entry, with an id that no other has. */
  static of(fields: EnvelopeFields): Envelope {
    const tags = fields.tags.length > 0 ? Buffer.from(JSON.stringify(fields.tags)) : undefined
    const codecEnd = HEADER_BYTES + fields.codec.length
    const start = codecEnd + (tags?.length ?? 0)
    const end = start + fields.payload.length
    const bytes = Buffer.allocUnsafe(end + CHECKSUM_BYTES)
    bytes.writeUInt16BE(ENTRY, 0)
    bytes[2] = KINDS[fields.kind] | (fields.compressed ? COMPRESSED : 0)
    bytes[3] = fields.codec.length
    newId().copy(bytes, 4)
    bytes.writeDoubleBE(fields.freshUntil, 12)
    bytes.writeDoubleBE(fields.created, 20)
    bytes.writeDoubleBE(fields.staleUntil, 28)
    bytes.writeDoubleBE(fields.errorUntil, 36)
    bytes.writeDoubleBE(fields.epoch, 44)
    bytes.writeFloatBE(fields.loadMs, 52)
    bytes.writeUInt32BE(tags?.length ?? 0, 56)
    bytes.write(fields.codec, HEADER_BYTES, 'latin1')
    tags?.copy(bytes, codecEnd)
    fields.payload.copy(bytes, start)
    bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end)
    return new Envelope(bytes)
  }

  /** @internal Use {@link of} or {@link decodeSlot}: nothing is checked here. */
  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#codecEnd = HEADER_BYTES + (bytes[3] as number)
    this.start = this.#codecEnd + bytes.readUInt32BE(56)
    this.end = bytes.length - CHECKSUM_BYTES
  }

  /** Whether it was made by the codec of this id. */
  isOf(codec: string): boolean {
    if (this.bytes[3] !== codec.length) return false
    for (let i = 0; i < codec.length; i++) if (this.bytes[HEADER_BYTES + i] !== codec.charCodeAt(i)) return false
    return true
  }

  get id(): Buffer {
    return this.bytes.subarray(4, 12)
  }

  get freshUntil(): number {
    return this.bytes[0] === EXPIRED >> 8 ? 0 : this.bytes.readDoubleBE(12)
  }

  get created(): number {
    return this.bytes.readDoubleBE(20)
  }

  get staleUntil(): number {
    return this.bytes.readDoubleBE(28)
  }

  get errorUntil(): number {
    return this.bytes.readDoubleBE(36)
  }

  get epoch(): Epoch {
    return this.bytes.readDoubleBE(44)
  }

  get loadMs(): number {
    return this.bytes.readFloatBE(52)
  }

  get compressed(): boolean {
    return ((this.bytes[2] as number) & COMPRESSED) !== 0
  }

  get kind(): PayloadKind {
    return KIND_NAMES[(this.bytes[2] as number) & ~COMPRESSED] as PayloadKind
  }

  get codec(): string {
    return this.bytes.toString('latin1', HEADER_BYTES, this.#codecEnd)
  }

  /** Its tags; those that are no list of strings are none. */
  get tags(): readonly Tag[] {
    const { tagText } = this
    return tagText === '' ? NO_TAGS : (decodeTags(tagText) ?? NO_TAGS)
  }

  /** Its tags as they are stored: empty, or JSON. */
  get tagText(): string {
    return this.start === this.#codecEnd ? '' : this.bytes.toString('utf8', this.#codecEnd, this.start)
  }

  get payload(): Buffer {
    return this.bytes.subarray(this.start, this.end)
  }
}

/** What is found under an entry's key. */
export type Slot =
  | { readonly state: 'absent' }
  /** Foreign bytes, or an entry of another version: a miss. `id` tells the lease script what is refused. */
  | { readonly state: 'foreign'; readonly id: Buffer }
  | { readonly state: 'placeholder' }
  | { readonly state: 'entry'; readonly envelope: Envelope }

const ABSENT: Slot = { state: 'absent' }
const PLACEHOLDER: Slot = { state: 'placeholder' }

/** An id that no other entry has. */
function newId(): Buffer {
  return randomFillSync(Buffer.allocUnsafe(8))
}

/** What these bytes are. Never throws: whatever is no entry of ours is a miss. */
export function decodeSlot(bytes: Buffer | null): Slot {
  if (bytes === null) return ABSENT
  const magic = bytes.length === PLACEHOLDER_BYTES ? bytes.readUInt16BE(0) : 0
  if (magic === LOADING || magic === WRITING) return PLACEHOLDER
  const envelope = asEntry(bytes)
  const whole = envelope && isDated(envelope) && (envelope.tagText === '' || decodeTags(envelope.tagText))
  return whole ? { state: 'entry', envelope } : { state: 'foreign', id: bytes.subarray(4, 12) }
}

/** NaN dates compare false with everything: such an entry would be neither fresh nor expired. */
function isDated({ freshUntil, staleUntil, errorUntil, created, epoch }: Envelope): boolean {
  return Number.isFinite(freshUntil + staleUntil + errorUntil + created + epoch)
}

/** The entry that these bytes are, its dates and tags not looked at; `undefined` when they are none. */
export function asEntry(bytes: Buffer): Envelope | undefined {
  if (bytes.length < HEADER_BYTES + CHECKSUM_BYTES) return undefined
  const magic = bytes.readUInt16BE(0)
  if ((magic !== ENTRY && magic !== EXPIRED) || !isWhole(bytes, magic)) return undefined
  const envelope = new Envelope(bytes)
  return envelope.start <= envelope.end && envelope.kind !== undefined ? envelope : undefined
}

function isWhole(bytes: Buffer, magic: number): boolean {
  if (magic === ENTRY) return crc32(bytes) === RESIDUE
  bytes.writeUInt16BE(ENTRY, 0)
  const whole = crc32(bytes) === RESIDUE
  bytes.writeUInt16BE(EXPIRED, 0)
  return whole
}

/** The same entry, stale from now on: what `expire.lua` makes of it. */
export function expired({ bytes }: Envelope): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt16BE(EXPIRED, 0)
  return copy
}

/** The tags of a stored list; `undefined` when it is none. */
export function decodeTags(text: string): readonly Tag[] | undefined {
  try {
    const tags: unknown = JSON.parse(text)
    return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string') ? (tags as Tag[]) : undefined
  } catch {
    return undefined
  }
}
