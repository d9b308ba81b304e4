import { crc32 } from 'node:zlib'
import type { Epoch } from '@larder/core'
import { asEntry, Envelope } from '../../../cache-aside/dist/envelope.js'

/** Milliseconds that nothing ends within. */
export const LONG = 3_600_000
/** Milliseconds of a lease. */
export const LIMIT = 60_000

/** An entry whose payload is its value. */
export function entry(value: number, id: number, epoch: Epoch): Buffer {
  const { bytes } = Envelope.of({
    freshUntil: 4e12,
    staleUntil: 4e12,
    errorUntil: 4e12,
    created: 1,
    epoch,
    loadMs: 0,
    tags: [],
    codec: 'json',
    kind: 'codec',
    compressed: false,
    payload: Buffer.from(String(value)),
  })
  // The real id is by chance, which would make all states different.
  bytes.writeUInt32BE(0, 4)
  bytes.writeUInt32BE(id, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

/** The bytes by which an entry is known. */
export function idOf(id: number): Buffer {
  return entry(0, id, 1).subarray(4, 12)
}

/** What another program wrote. */
export const FOREIGN = 'foreign bytes'
/** The placeholder of a loader. */
export const tokenOf = (loader: number): Buffer => Buffer.from(`L1loader ${loader}        `)
/** The ticket of a writer. */
export const ticketOf = (writer: number): Buffer => Buffer.from(`W1writer ${writer}        `)

/** What is under an entry's key. */
export type Held =
  | {
      readonly is: 'entry'
      readonly value: number
      readonly id: number
      readonly epoch: Epoch
      readonly expired: boolean
    }
  | { readonly is: 'loading' | 'writing'; readonly by: number }
  | { readonly is: 'foreign' }
  | null

/** The bytes under a key. */
export function toBytes(held: Held): Buffer | null {
  if (held === null) return null
  if (held.is === 'entry') {
    const bytes = entry(held.value, held.id, held.epoch)
    return held.expired ? Buffer.concat([Buffer.from('X'), bytes.subarray(1)]) : bytes
  }
  if (held.is === 'foreign') return Buffer.from(FOREIGN)
  return held.is === 'loading' ? tokenOf(held.by) : ticketOf(held.by)
}

/** What these bytes are. */
export function fromBytes(bytes: Buffer | null): Held {
  if (bytes === null) return null
  const text = bytes.toString('latin1')
  const placeholder = /^(L1loader|W1writer) (\d)/.exec(text)
  if (placeholder) return { is: placeholder[1] === 'L1loader' ? 'loading' : 'writing', by: Number(placeholder[2]) }
  const envelope = asEntry(bytes)
  if (text === FOREIGN) return { is: 'foreign' }
  if (envelope === undefined) throw new Error(`The model does not know what ${bytes.toString('hex')} is`)
  return {
    is: 'entry',
    value: Number(envelope.payload),
    id: bytes.readUInt32BE(8),
    epoch: envelope.epoch,
    expired: bytes[0] === 0x58,
  }
}

/** A list with one item replaced. */
export const put = <T>(list: readonly T[], index: number, one: T): readonly T[] => list.with(index, one)
