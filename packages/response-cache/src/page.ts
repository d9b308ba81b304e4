import type { Codec } from '@larder/core'
import { cacheStatus } from './cache-status.js'
import type { Fields } from './fields.js'
import type { Terms } from './terms.js'

/** What a page is beside its body. */
export interface PageHead extends Omit<Terms, 'omit'> {
  readonly status: number
  readonly fields: Fields
  /** What of the request chose it: see `selectionOf`. */
  readonly selection: string
  /** Tells it from its predecessors. */
  readonly id: string
  /** What came with it by which the handler can be asked whether it still holds: not an entity tag that was made here. */
  readonly validators: Fields
}

/** A whole response. Never changed once it is made. */
export class Page {
  readonly kind = 'page'
  readonly head: PageHead
  readonly body: string | Buffer
  /** Names and values in turn, `Content-Length` included, once they were asked for; empty where some cannot stand so. */
  #lines: string[] | undefined
  #ascii = false
  #told: { readonly age: number; readonly ttl: number; readonly lines: string[] } | undefined

  constructor(head: PageHead, body: string | Buffer) {
    this.head = head
    this.body = body
  }

  /** Whether the body is text of ASCII alone, which Node writes at less cost when it is told so. Known with the lines. */
  get ascii(): boolean {
    return this.#ascii
  }

  /**
   * The fields of a hit, `Content-Length`, `Age` and `Cache-Status` among them: names and values in turn, as Node writes them at the
   * least cost. `undefined` where that does not do. Spans in milliseconds. `name`: of this cache, the same each time.
   */
  linesAt(age: number, ttl: number, name: string | undefined): string[] | undefined {
    this.#lines ??= this.#flatten()
    if (this.#lines.length === 0) return undefined
    const seconds = Math.floor(age / 1_000)
    const left = Math.floor(ttl / 1_000)
    if (this.#told?.age !== seconds || this.#told.ttl !== left) {
      const lines = [...this.#lines, 'age', String(seconds)]
      if (name !== undefined) lines.push('cache-status', cacheStatus(name, { hit: true, ttl }))
      this.#told = { age: seconds, ttl: left, lines }
    }
    return this.#told.lines
  }

  /** Empty where a field has several values, or is to be added to. */
  #flatten(): string[] {
    const lines: string[] = []
    for (const name in this.head.fields) {
      const value = this.head.fields[name]
      if (typeof value !== 'string' || name === 'cache-status') return []
      lines.push(name, value)
    }
    const length = Buffer.byteLength(this.body)
    this.#ascii = length === this.body.length && typeof this.body === 'string'
    lines.push('content-length', String(length))
    return lines
  }
}

/** Stands for the responses of a URI that vary, which are kept under keys made with its id. */
export interface Index {
  readonly kind: 'index'
  readonly id: string
  readonly vary: readonly string[]
}

/** What was asked for cannot be kept: nobody waits for anybody. */
export interface Pass {
  readonly kind: 'pass'
}

/** What is kept under a key. */
export type Kept = Page | Index | Pass

/** How they become bytes: a length, what is known as JSON, and the body as it is. */
export const pageCodec: Codec = {
  id: 'larder-http-1',
  freezable: false,
  // Nobody but this package gets to see them.
  immutable: true,
  encode: (value) => {
    const kept = value as Kept
    if (kept.kind !== 'page') return withLength(JSON.stringify(kept))
    const text = typeof kept.body === 'string'
    return withLength(JSON.stringify({ kind: 'page', head: kept.head, text }), kept.body)
  },
  decode: (bytes) => {
    const end = 4 + bytes.readUInt32BE(0)
    const known = JSON.parse(bytes.toString('utf8', 4, end)) as
      | Index
      | Pass
      | { kind: 'page'; head: PageHead; text: boolean }
    if (known.kind !== 'page') return known
    return new Page(known.head, known.text ? bytes.toString('utf8', end) : Buffer.from(bytes.subarray(end)))
  },
}

function withLength(known: string, body: string | Buffer = ''): Buffer {
  const length = Buffer.byteLength(known)
  const bytes = Buffer.allocUnsafe(4 + length + Buffer.byteLength(body))
  bytes.writeUInt32BE(length, 0)
  bytes.write(known, 4)
  if (typeof body === 'string') bytes.write(body, 4 + length)
  else body.copy(bytes, 4 + length)
  return bytes
}
