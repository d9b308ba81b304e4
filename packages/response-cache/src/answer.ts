import type { FastifyReply } from 'fastify'
import { cacheStatus, type Happened } from './cache-status.js'
import { type Fields, listOf, textOf, toFields } from './fields.js'
import type { Page } from './page.js'
import { ageOf, type FoundPage } from './reuse.js'
import { type Conditions, isNotModified, withoutContent } from './validators.js'
import { mergeVary } from './vary.js'

/** A body to be sent; `undefined` for none. */
export type Body = string | Buffer | undefined

/**
 * Makes a reply the answer that a page is (RFC 9111 section 4, `Age` section 5.1), or 304 where the client has it (section 4.3.2).
 * Fields that hooks have set for this request stay, where the handler said nothing else.
 */
export function dress(reply: FastifyReply, found: FoundPage, conditions: Conditions | undefined): Body {
  const { page } = found
  const { head } = page
  if (conditions && isNotModified(conditions, head.status, head.fields, Date.now())) {
    reply.code(304)
    for (const [name, value] of Object.entries(withoutContent(head.fields))) put(reply, name, value)
    reply.header('age', String(Math.floor(ageOf(found) / 1_000)))
    return undefined
  }
  reply.code(head.status)
  for (const [name, value] of Object.entries(head.fields)) put(reply, name, value)
  reply.header('age', String(Math.floor(ageOf(found) / 1_000)))
  return page.body.length > 0 ? page.body : undefined
}

/** What the handler said counts, as it did when it was kept; what hooks vary by is added to what it varies by. */
function put(reply: FastifyReply, name: string, value: string | string[]): void {
  const own = name === 'vary' ? reply.getHeader(name) : undefined
  reply.header(name, own === undefined ? value : mergeVary(textOf(toFields({ own }).own), listOf(value)))
}

/** Takes from a reply what the handler has put there. */
export function undress(reply: FastifyReply, before: Fields): void {
  for (const name of Object.keys(reply.getHeaders())) {
    const value = before[name]
    if (value === undefined) reply.removeHeader(name)
    else reply.header(name, value)
  }
}

/** Makes a reply that has the whole answer one of 304, if that is what the client has; its body then. */
export function conditional<T>(reply: FastifyReply, page: Page, conditions: Conditions | undefined, body: T): T | null {
  if (!conditions || !isNotModified(conditions, page.head.status, page.head.fields, Date.now())) return body
  reply.code(304)
  const kept = withoutContent(toFields(reply.getHeaders()))
  for (const name of Object.keys(reply.getHeaders())) if (kept[name] === undefined) reply.removeHeader(name)
  return null
}

/** Adds what happened here to what caches before have told, the last one being the nearest to the client (RFC 9211 section 2). Gives back the field. */
export function tell(reply: FastifyReply, name: string | undefined, happened: Happened): string | undefined {
  const before = reply.getHeader('cache-status')
  if (name === undefined) return textOf(toFields({ before }).before)
  const own = cacheStatus(name, happened)
  const field = before === undefined ? own : `${textOf(toFields({ before }).before)}, ${own}`
  reply.header('cache-status', field)
  return field
}
