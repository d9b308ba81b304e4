import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { isAuthorized } from './credentials.js'
import { freshTime, INDEX_TTL, INDEX_WINDOWS, settings } from './desk.js'
import type { Exchange } from './exchange.js'
import { type Fields, textOf } from './fields.js'
import type { Lead } from './lead.js'
import { type Index, type Kept, Page } from './page.js'
import type { Policy, Response, Terms } from './terms.js'
import { makeEntityTag, validatorsOf } from './validators.js'
import { selectionOf } from './vary.js'

/** Keeps a page, under an index where it varies; whether it was kept. */
export async function finish(exchange: Exchange, lead: Lead, page: Page, vary: readonly string[]): Promise<boolean> {
  const { place, context } = lead
  const tags = tagsOf(exchange, page.head.fields)
  const known = place.vary
  if (known === undefined ? vary.length === 0 : vary.every((name) => known.includes(name))) {
    const { staleWhileRevalidate, staleIfError, retain } = page.head
    context.setTtl(freshTime(page), { staleWhileRevalidate, staleIfError, retain })
    if (tags.length > 0) context.addTags(...tags)
    lead.keep(page)
  } else {
    // Found first, kept last: whoever finds the index finds what it stands for. Its epoch is that of the load (G1).
    const index: Index = { kind: 'index', id: randomUUID(), vary: allNames(known, vary) }
    const { cache } = exchange.desk
    await cache.set<Kept>(exchange.firstSlot(index.id, page.head.selection), page, settings(page, context.epoch, tags))
    if (known === undefined) {
      context.setTtl(INDEX_TTL, INDEX_WINDOWS)
      lead.keep(index)
    } else {
      await cache.set<Kept>(exchange.primary, index, settings(index, context.epoch, []))
      context.skip()
      lead.keep({ kind: 'pass' })
    }
  }
  const entry = await exchange.pending?.catch(() => undefined)
  return entry === undefined ? exchange.background : entry.state !== 'bypass'
}

/** What is kept of a response. */
export function pageOf(
  exchange: Exchange,
  status: number,
  fields: Fields,
  terms: Terms,
  body: string | Buffer,
  selection: string,
): Page {
  const { omit, ...rest } = terms
  const kept = { ...fields }
  for (const name of [...omit, 'age']) delete kept[name]
  // What hooks said before the handler ran they say again at each hit, and of that one.
  for (const [name, value] of Object.entries(exchange.before)) {
    if (name !== 'vary' && isDeepStrictEqual(kept[name], value)) delete kept[name]
  }
  const validators = validatorsOf(kept)
  if (kept.etag === undefined && status === 200) kept.etag = makeEntityTag(body)
  kept.date ??= new Date().toUTCString()
  return new Page({ ...rest, status, fields: kept, selection, id: randomUUID(), validators }, body)
}

/** What of the request chose the response, which varies by these names. */
export function selectionFor(
  { request, question }: Exchange,
  { place: { vary } }: Lead,
  names: readonly string[],
): string {
  const all = vary !== undefined && names.every((name) => vary.includes(name)) ? vary : allNames(vary, names)
  return selectionOf(all, request.headers, question.site)
}

function allNames(known: readonly string[] = [], names: readonly string[]): readonly string[] {
  return [...new Set([...known, ...names])].sort()
}

/** Tags of the route, and those that the response names: separated by spaces, or by commas. */
function tagsOf({ route, request, reply, desk }: Exchange, fields: Fields): readonly string[] {
  const own = typeof route.tags === 'function' ? route.tags(request, reply) : route.tags
  const told = [
    ...(textOf(fields['surrogate-key']) ?? '').split(/\s+/),
    ...(textOf(fields['cache-tag']) ?? '').split(',').map((tag) => tag.trim()),
  ].filter((tag) => tag !== '')
  if (told.length > 0 && !desk.tagged) desk.warnOfTags()
  return desk.tagged ? [...new Set([...own, ...told])] : []
}

/** What the handler answered, and when it was asked. */
export function responseOf({ asked, reply }: Exchange, fields: Fields): Response {
  return { status: reply.statusCode, fields, transit: { asked, came: Date.now() } }
}

/** Who asked, and how the route is to be kept. */
export function policyOf({ route, question, request }: Exchange): Policy {
  const { ttl, staleWhileRevalidate, staleIfError, heuristics } = route
  const personal = question.user !== undefined
  // The handler may have begun a session.
  const authorized = question.authorized || (!personal && isAuthorized(request))
  const cookies = route.cookies === 'personal' && request.headers.cookie !== undefined
  return { personal, authorized, cookies, ttl, staleWhileRevalidate, staleIfError, heuristics }
}
