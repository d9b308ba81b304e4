/**
 * Turns values into bytes and back. Whatever it does to a value, a miss returns what a hit would: callers of a load get the value
 * as `decode` gives it back.
 */
export interface Codec {
  /** Written beside each value, so that values of another codec are a miss: at most 32 ASCII characters. */
  readonly id: string
  /** Throws, or answers `undefined`, for a value that it cannot represent. */
  encode(value: unknown): string | Uint8Array | undefined
  /** Throws for bytes that it did not make. */
  decode(bytes: Buffer): unknown
  /** As `decode`, for a codec whose bytes are UTF-8 text: spares each hit a Buffer. */
  decodeText?(text: string): unknown
  /**
   * Whether what it decodes is plain data: objects and arrays that can be frozen deeply, so that one copy serves all hits. Else each
   * hit decodes anew.
   */
  readonly freezable: boolean
  /**
   * Nobody changes what it decodes, though it cannot be frozen: one value serves all hits as it is. Promised by who makes the codec.
   * Default `false`.
   */
  readonly immutable?: boolean
}

/** JSON, the default codec. A `Date` becomes a string, for a miss as for a hit. */
export const json: Codec = {
  id: 'json',
  encode: (value) => JSON.stringify(value),
  decode: (bytes) => JSON.parse(bytes.toString()),
  decodeText: (text) => JSON.parse(text),
  freezable: true,
}
