import { randomFillSync } from 'node:crypto'
import type { Epoch, Tag } from '@larder/core'

/*
 * What stands in Redis under `<ns>:v:{key}` for an entry, all numbers big-endian:
 *
 *      0  'E1'                          28  stale until (double, ms)
 *      2  flags                         36  error until (double, ms)
 *      3  length of the codec's id      44  epoch (double, µs)
 *      4  id (8 bytes)                  52  load time (float, ms)
 *     12  fresh until (double, ms)      56  length of the tags (16 bits)
 *     20  created (double, ms)          58  the codec's id (ASCII), tags (JSON, when there are any), payload
 *
 * Dates are Redis time. `expire.lua` overwrites bytes 4 to 20; the other scripts compare bytes 0 to 12.
 */
const HEADER_BYTES = 58
const ENTRY = 0x4531
/** `L1` and a token: somebody loads this key. `W1`: somebody writes it to the database. */
const LOADING = 0x4c31
const WRITING = 0x5731

const COMPRESSED = 1
const KINDS = { codec: 0, undefined: 2, buffer: 4, bytes: 6 } as const

/** What a payload is: made by the codec, `undefined`, a `Buffer`, or another `Uint8Array`. */
export type PayloadKind = keyof typeof KINDS

/** An entry as it is stored. Dates in milliseconds of Redis time. */
export interface Envelope {
  readonly id: Buffer
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

/** What is found under an entry's key. */
export type Slot =
  | { readonly state: 'absent' }
  /** Foreign bytes, or an entry of another version: a miss. `id` tells the lease script what is refused. */
  | { readonly state: 'foreign'; readonly id: Buffer }
  | { readonly state: 'placeholder' }
  | { readonly state: 'entry'; readonly envelope: Envelope }

const NO_TAGS: readonly Tag[] = []
const ABSENT: Slot = { state: 'absent' }
const PLACEHOLDER: Slot = { state: 'placeholder' }
const KIND_NAMES = Object.fromEntries(Object.entries(KINDS).map(([name, bits]) => [bits, name as PayloadKind]))

/** An id that no other entry has. */
export function newId(): Buffer {
  return randomFillSync(Buffer.allocUnsafe(8))
}

/** Bytes of an entry. `undefined` when its tags take more than 64 kB. */
export function encodeEnvelope(entry: Envelope): Buffer | undefined {
  const tags = entry.tags.length > 0 ? Buffer.from(JSON.stringify(entry.tags)) : Buffer.alloc(0)
  if (tags.length > 0xffff) return undefined
  const start = HEADER_BYTES + entry.codec.length + tags.length
  const bytes = Buffer.allocUnsafe(start + entry.payload.length)
  bytes.writeUInt16BE(ENTRY, 0)
  bytes[2] = KINDS[entry.kind] | (entry.compressed ? COMPRESSED : 0)
  bytes[3] = entry.codec.length
  entry.id.copy(bytes, 4)
  bytes.writeDoubleBE(entry.freshUntil, 12)
  bytes.writeDoubleBE(entry.created, 20)
  bytes.writeDoubleBE(entry.staleUntil, 28)
  bytes.writeDoubleBE(entry.errorUntil, 36)
  bytes.writeDoubleBE(entry.epoch, 44)
  bytes.writeFloatBE(entry.loadMs, 52)
  bytes.writeUInt16BE(tags.length, 56)
  bytes.write(entry.codec, HEADER_BYTES, 'latin1')
  tags.copy(bytes, HEADER_BYTES + entry.codec.length)
  entry.payload.copy(bytes, start)
  return bytes
}

/** What these bytes are. Never throws: whatever is no entry of ours is a miss. */
export function decodeSlot(bytes: Buffer | null): Slot {
  if (bytes === null) return ABSENT
  const magic = bytes.length > 1 ? bytes.readUInt16BE(0) : 0
  if (magic === LOADING || magic === WRITING) return PLACEHOLDER
  if (magic !== ENTRY || bytes.length < HEADER_BYTES) return foreign(bytes)
  const flags = bytes[2] as number
  const kind = KIND_NAMES[flags & ~COMPRESSED]
  const codecEnd = HEADER_BYTES + (bytes[3] as number)
  const start = codecEnd + bytes.readUInt16BE(56)
  if (kind === undefined || start > bytes.length) return foreign(bytes)
  const tags = start === codecEnd ? NO_TAGS : decodeTags(bytes.toString('utf8', codecEnd, start))
  if (tags === undefined) return foreign(bytes)
  const envelope: Envelope = {
    id: bytes.subarray(4, 12),
    freshUntil: bytes.readDoubleBE(12),
    created: bytes.readDoubleBE(20),
    staleUntil: bytes.readDoubleBE(28),
    errorUntil: bytes.readDoubleBE(36),
    epoch: bytes.readDoubleBE(44),
    loadMs: bytes.readFloatBE(52),
    tags,
    codec: bytes.toString('latin1', HEADER_BYTES, codecEnd),
    kind,
    compressed: (flags & COMPRESSED) !== 0,
    payload: bytes.subarray(start),
  }
  // NaN dates compare false with everything: such an entry would be neither fresh nor expired.
  const dated = Number.isFinite(envelope.freshUntil + envelope.created + envelope.epoch + envelope.staleUntil)
  return dated && Number.isFinite(envelope.errorUntil) ? { state: 'entry', envelope } : foreign(bytes)
}

function decodeTags(text: string): readonly Tag[] | undefined {
  try {
    const tags: unknown = JSON.parse(text)
    return Array.isArray(tags) && tags.every((tag) => typeof tag === 'string') ? (tags as Tag[]) : undefined
  } catch {
    return undefined
  }
}

function foreign(bytes: Buffer): Slot {
  return { state: 'foreign', id: bytes.subarray(4, 12) }
}
