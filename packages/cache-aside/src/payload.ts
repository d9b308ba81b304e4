import { gunzipSync, gzipSync } from 'node:zlib'
import type { Codec } from '@larder/core'
import type { Envelope, PayloadKind } from './envelope.js'
import { NotSerializableError } from './errors.js'
import { withoutVersion } from './version.js'

/** A value as bytes. */
export interface Payload {
  readonly kind: PayloadKind
  readonly compressed: boolean
  readonly payload: Buffer
  /** Before compression. */
  readonly size: number
}

/** What {@link encodePayload} and {@link decodePayload} go by. */
export interface PayloadOptions {
  readonly compressAbove: number
  readonly maxValueBytes: number
}

/**
 * A value as bytes: `undefined` and binary as they are, everything else by the codec.
 *
 * @throws `LARDER_CACHE_NOT_SERIALIZABLE`
 */
export function encodePayload(key: string, value: unknown, codec: Codec, options: PayloadOptions): Payload {
  const { compressAbove, maxValueBytes } = options
  if (value === undefined) return { kind: 'undefined', compressed: false, payload: Buffer.alloc(0), size: 0 }
  const kind = Buffer.isBuffer(value) ? 'buffer' : value instanceof Uint8Array ? 'bytes' : 'codec'
  const bytes = kind === 'codec' ? encode(key, value, codec) : Buffer.from(value as Uint8Array)
  // What is too large to be stored is not worth the time, nor would it be unpacked.
  const compressed = bytes.length > compressAbove && bytes.length <= maxValueBytes
  return { kind, compressed, payload: compressed ? gzipSync(bytes) : bytes, size: bytes.length }
}

/** The value of an entry. Throws for bytes that the codec did not make, or that unpack to more than a value may take. */
export function decodePayload(entry: Envelope, codec: Codec, { maxValueBytes }: PayloadOptions): unknown {
  const { kind } = entry
  if (kind === 'undefined') return undefined
  if (kind === 'codec' && codec.decodeText && !entry.compressed) {
    return codec.decodeText(entry.bytes.toString('utf8', entry.start, entry.end))
  }
  const bytes = entry.compressed ? gunzipSync(entry.payload, { maxOutputLength: maxValueBytes }) : entry.payload
  if (kind === 'codec') return codec.decode(bytes)
  return kind === 'buffer' ? Buffer.from(bytes) : new Uint8Array(bytes)
}

function encode(key: string, value: unknown, codec: Codec): Buffer {
  try {
    const encoded = codec.encode(value)
    if (encoded !== undefined) return typeof encoded === 'string' ? Buffer.from(encoded) : Buffer.from(encoded)
  } catch (cause) {
    throw new NotSerializableError(withoutVersion(key), codec.id, { cause })
  }
  throw new NotSerializableError(withoutVersion(key), codec.id)
}
