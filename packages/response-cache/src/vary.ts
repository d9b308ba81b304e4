import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Fields, listOf, textOf } from './fields.js'

/** Fields whose values mean the same in any case and spacing (RFC 9110 sections 12.5.1, 12.5.3, 12.5.4). */
const CASELESS = new Set(['accept', 'accept-encoding', 'accept-language'])

/** More names than these vary by too much to be kept. */
const MOST_NAMES = 16

/** The fields that the choice of a response went by, sorted; `undefined` where nothing tells what it went by, or too much. */
export function varyOf(fields: Fields, always: readonly string[] = []): readonly string[] | undefined {
  const names = [...new Set([...listOf(fields.vary), ...always])].sort()
  return names.includes('*') || names.length > MOST_NAMES ? undefined : names
}

/**
 * What of a request chose the response: the site that it was sent to and the fields named by `Vary`, normalised (RFC 9111 section
 * 4.1), as a hash. A field that is absent is not one that is empty.
 */
export function selectionOf(names: readonly string[], headers: IncomingHttpHeaders, site: string): string {
  if (names.length === 0) return site
  const values = names.map((name) => normalise(name, textOf(headers[name])))
  return createHash('sha256')
    .update(JSON.stringify([site, names, values]))
    .digest('base64url')
}

function normalise(name: string, value: string | undefined): string | null {
  if (value === undefined) return null
  const text = value.trim().replace(/[ \t]*,[ \t]*/g, ',')
  if (!CASELESS.has(name)) return text
  return text
    .toLowerCase()
    .replace(/[ \t]*;[ \t]*/g, ';')
    .replace(/;q=1(?:\.0{0,3})?(?=,|$)/g, '')
}

/** Adds names to a `Vary` field. */
export function mergeVary(value: string | undefined, names: readonly string[]): string {
  const known = listOf(value)
  const missing = names.filter((name) => !known.includes(name))
  return value === undefined || value === '' ? missing.join(', ') : [value, ...missing].join(', ')
}
