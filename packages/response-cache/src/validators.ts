import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Fields, textOf } from './fields.js'
import { parseHttpDate } from './http-date.js'

const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/

/** A strong entity tag of a body: another body, or another coding of it, has another one. */
export function makeEntityTag(body: string | Buffer): string {
  return `"${createHash('sha1').update(body).digest('base64url')}"`
}

/** Whether `If-None-Match` names this entity tag, compared weakly (RFC 9110 sections 8.8.3.2, 13.1.2). */
export function matchesEntityTag(field: string, tag: string | undefined): boolean {
  let rest = field.trim()
  if (rest === '*') return true
  if (tag === undefined) return false
  const opaque = tag.replace(/^W\//, '')
  while (rest !== '') {
    const [member] = ENTITY_TAG.exec(rest) ?? []
    if (member === undefined) {
      // No entity tag: neither is what follows up to the next comma.
      const comma = rest.indexOf(',')
      rest = comma < 0 ? '' : rest.slice(comma + 1).trim()
      continue
    }
    const after = rest.slice(member.length).trimStart()
    if ((after === '' || after[0] === ',') && member.replace(/^W\//, '') === opaque) return true
    rest = after.replace(/^[^,]*,?/, '').trimStart()
  }
  return false
}

/** The conditions of a request that a cache answers itself (RFC 9111 section 4.3.2). */
export interface Conditions {
  readonly noneMatch: string | undefined
  readonly modifiedSince: string | undefined
}

/** Reads them; `undefined` when there are none. */
export function conditionsOf(headers: IncomingHttpHeaders): Conditions | undefined {
  const noneMatch = textOf(headers['if-none-match'])
  const modifiedSince = headers['if-modified-since']
  return noneMatch === undefined && modifiedSince === undefined ? undefined : { noneMatch, modifiedSince }
}

/** Whether the client has this response already, so that 304 answers it. `If-None-Match` decides alone (RFC 9110 section 13.2.2). */
export function isNotModified(
  { noneMatch, modifiedSince }: Conditions,
  status: number,
  fields: Fields,
  now: number,
): boolean {
  if (status !== 200) return false
  if (noneMatch !== undefined) return matchesEntityTag(noneMatch, textOf(fields.etag))
  const since = parseHttpDate(modifiedSince as string, now)
  const modified = textOf(fields['last-modified']) ?? textOf(fields.date)
  const date = modified === undefined ? undefined : parseHttpDate(modified, now)
  return since !== undefined && date !== undefined && date <= since
}

/** What a 304 says of a stored response (RFC 9110 section 15.4.5): everything but what describes the content that it has not. */
export function withoutContent(fields: Fields): Fields {
  const kept: Fields = {}
  for (const [name, value] of Object.entries(fields)) {
    if (!name.startsWith('content-') || name === 'content-location' || name === 'content-security-policy')
      kept[name] = value
  }
  return kept
}
