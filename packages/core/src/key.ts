import { createHash } from 'node:crypto'
import { InvalidKeyError } from './errors.js'

/** One part of an array key: `null`, booleans, dates and objects are marked so that no string collides with them. */
export type KeyPart = string | number | bigint | boolean | null | undefined | Date | readonly unknown[] | object

/** A key: a string as it stands, or parts that are joined by `:`. `['product', 42]` is `product:42`. */
export type Key = string | readonly KeyPart[]

const MAX_BYTES = 200
/** Marks a key that is kept as a hash; such a string from a user is hashed itself, so nothing collides with it. */
const HASHED = '\0'

/**
 * The hash that a long text is kept under. Text that is no well-formed Unicode is hashed as UTF-16, after a byte that UTF-8 never
 * has: nobody can make another text of the same bytes.
 */
export function hashText(text: string): string {
  const hash = createHash('sha256')
  if (text.isWellFormed()) hash.update(text, 'utf8')
  else hash.update(Buffer.from([0xff])).update(text, 'utf16le')
  return hash.digest('base64url')
}

function stable(value: unknown, seen: readonly object[] = []): string {
  // JSON has no word for NaN and the infinities.
  if (typeof value === 'number') return String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function' || typeof value === 'symbol')
    throw new InvalidKeyError(`Expected a key part to be data, got a ${typeof value}`)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined'
  if (seen.includes(value)) throw new InvalidKeyError('Expected a key part without circular references')
  if (ArrayBuffer.isView(value) || value instanceof Map || value instanceof Set)
    throw new InvalidKeyError(`Expected a key part to be plain data, got ${describe(value)}`)
  const path = [...seen, value]
  if (Array.isArray(value)) return `[${Array.from(value, (item) => stable(item, path)).join(',')}]`
  if (value instanceof Date) return `date ${value.toJSON()}`
  // A class may keep what tells two of its instances apart where nobody sees it, as URL does.
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return `${value.constructor?.name} ${stable(toJSON.call(value), path)}`
  if (!isRecord(value) && Object.keys(value).length === 0)
    throw new InvalidKeyError(`Expected a key part to be plain data, got ${describe(value)}`)
  const fields = Object.entries(value).filter(([, item]) => item !== undefined)
  fields.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${stable(item, path)}`).join(',')}}`
}

function part(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value !== 'string') return `~${stable(value).replace(/[%:]/g, (sign) => (sign === ':' ? '%3A' : '%25'))}`
  return value.replace(/[%:]|^~/g, (sign) => (sign === ':' ? '%3A' : sign === '%' ? '%25' : '%7E'))
}

/**
 * The logical form of a key, by which a process keeps its copies: the string as it stands, array parts escaped and joined;
 * over 200 bytes (or not well-formed Unicode, which UTF-8 cannot tell apart) the SHA-256 of the whole.
 *
 * @throws `LARDER_INVALID_KEY` for an empty key, or one that is neither a string nor an array of data
 */
export function logicalKey(key: Key): string {
  const text = typeof key === 'string' ? key : join(key)
  // A UTF-16 unit takes at most three bytes of UTF-8, so short strings need no count.
  if (text.length <= MAX_BYTES / 3 && text.length > 0 && text.charCodeAt(0) !== 0 && text.isWellFormed()) return text
  if (text === '') throw new InvalidKeyError('Expected a key of at least one character')
  const plain = text.charCodeAt(0) !== 0 && text.isWellFormed()
  return plain && Buffer.byteLength(text) <= MAX_BYTES ? text : HASHED + hashText(text)
}

/** Whether it is an object of fields and nothing else: also one without prototype, or with an empty one, as query strings are. */
function isRecord(value: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function join(key: unknown): string {
  if (!Array.isArray(key)) throw new InvalidKeyError(`Expected a key to be a string or an array, got ${describe(key)}`)
  if (key.length === 0) throw new InvalidKeyError('Expected a key of at least one part')
  return key.map(part).join(':')
}

/** What a value is, for messages: without the value itself, which may be long, or a secret. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return typeof value === 'object' ? `a ${value.constructor?.name ?? 'object'}` : `a ${typeof value}`
}

/** The form of a logical key inside a Redis key: `}` is escaped, so that `{…}` around it is its hash tag; `%` and NUL with it. */
export function escapeKey(logical: string): string {
  return /[%}\0]/.test(logical) ? logical.replace(/[%}\0]/g, (sign) => ESCAPES[sign] as string) : logical
}

const ESCAPES: Record<string, string> = { '%': '%25', '}': '%7D', '\0': '%#' }
const UNESCAPES: Record<string, string> = { '%25': '%', '%7D': '}', '%#': '\0' }

/** The logical key that {@link escapeKey} made this of. */
export function unescapeKey(escaped: string): string {
  return escaped.includes('%') ? escaped.replace(/%(?:7D|25|#)/g, (code) => UNESCAPES[code] as string) : escaped
}

/** The form of a `*` pattern over logical keys for `SCAN MATCH`: as {@link escapeKey}, and only `*` and `?` are special. */
export function escapePattern(pattern: string): string {
  return escapeKey(pattern).replace(/[[\]\\^]/g, '\\$&')
}
