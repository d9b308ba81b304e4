import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { type Fields, textOf } from './fields.js'
import { parseHttpDate } from './http-date.js'

const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/

/** A strong entity tag of a body: another body, or another coding of it, has another one. */
export function makeEntityTag(body: string | Buffer): string {
  return `"${createHash('sha1').update(body).digest('base64url')}"`
}

/** Those of the fields by which an origin can be asked whether a response still holds. */
export function validatorsOf({ etag, 'last-modified': modified }: Fields): Fields {
  return { ...(etag === undefined ? {} : { etag }), ...(modified === undefined ? {} : { 'last-modified': modified }) }
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
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !describesContent(name)))
}

/** Whether a field is of the content, not of the response: a 304 neither has nor changes it (RFC 9111 section 3.2). */
export function describesContent(name: string): boolean {
  return name.startsWith('content-') && name !== 'content-location' && !name.startsWith('content-security-policy')
}

/**
 * Whether a 304 to the cache's own condition is about the response that is kept (RFC 9111 section 4.3.4): a strong entity tag is the
 * same, a weak one matches weakly; without one, the date is the same if there is one.
 */
export function isAbout(news: Fields, kept: Fields): boolean {
  const tag = textOf(news.etag)
  if (tag !== undefined) {
    const known = textOf(kept.etag)
    return known !== undefined && (tag.startsWith('W/') ? matchesEntityTag(tag, known) : tag === known)
  }
  const modified = textOf(news['last-modified'])
  return modified === undefined || kept['last-modified'] === undefined || modified === textOf(kept['last-modified'])
}

/** Whether an answer to HEAD tells that the one to GET has changed (RFC 9111 section 4.3.5). */
export function hasChanged(
  head: Fields,
  { fields, length }: { readonly fields: Fields; readonly length: number },
): boolean {
  const kept: Fields = { ...fields, 'content-length': String(length) }
  return ['etag', 'last-modified', 'content-length'].some(
    (name) => head[name] !== undefined && kept[name] !== undefined && textOf(head[name]) !== textOf(kept[name]),
  )
}
