import { InvalidKeyError } from '../errors.js'
import { describe, hashText } from '../key.js'

/** A tag as its key in Redis ends: made by {@link encodeTag} or {@link namespaceTag}. */
export type Tag = string & { readonly __tag: never }

const MAX_BYTES = 200

/**
 * The stored form of a user's tag. A namespace's own tag begins with `:`, so a leading `:` (or the `\` that escapes it) is escaped;
 * over 200 bytes, or not well-formed Unicode: a SHA-256.
 *
 * @throws `LARDER_INVALID_KEY` when it is no non-empty string
 */
export function encodeTag(tag: string): Tag {
  if (tag === '') throw new InvalidKeyError('Expected a tag of at least one character')
  if (typeof tag !== 'string') throw new InvalidKeyError(`Expected a tag to be a string, got ${describe(tag)}`)
  const escaped = /^[:\\]/.test(tag) ? `\\${tag}` : tag
  if (escaped.length <= MAX_BYTES / 3 && escaped.isWellFormed()) return escaped as Tag
  if (escaped.isWellFormed() && Buffer.byteLength(escaped) <= MAX_BYTES) return escaped as Tag
  return `:#${hashText(escaped)}` as Tag
}

/** The tag that every entry of a namespace bears, by the path of child namespaces (empty for the root). `clear()` raises it. */
export function namespaceTag(path: string): Tag {
  return `:${path}` as Tag
}
