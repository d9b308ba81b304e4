import { randomUUID } from 'node:crypto'
import { pipeline, Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { conditional, dress, undress } from './answer.js'
import { isAuthorized } from './credentials.js'
import { freshTime, INDEX_TTL, INDEX_WINDOWS, settings } from './desk.js'
import type { Exchange } from './exchange.js'
import { type Fields, listOf, sizeOf, textOf, toFields, withoutConnection } from './fields.js'
import { FailedError, type Lead } from './lead.js'
import { type Index, type Kept, Page } from './page.js'
import { type FoundPage, ttlOf } from './reuse.js'
import { Tee } from './tee.js'
import { type Policy, type Terms, termsOf } from './terms.js'
import { makeEntityTag, matchesEntityTag } from './validators.js'
import { selectionOf, varyOf } from './vary.js'

/** Fields that take more are not kept, in bytes: a client has to swallow them at every hit. */
const MOST_FIELD_BYTES = 16 * 1024

/** What a handler has sent, before it goes out. */
type Payload = string | Buffer | Readable | null | undefined

/** Looks at the answer of the handler: keeps it, and gives back what the client gets. */
export async function capture(exchange: Exchange, sent: unknown): Promise<unknown> {
  const { lead, reply } = exchange
  const payload = unpack(exchange, sent)
  if (!lead) return runAlone(exchange, payload)
  if (!lead.open) {
    exchange.tell({ fwd: exchange.fwd }, 'miss')
    return payload
  }
  if (exchange.failed || reply.statusCode >= 500) return answerFailure(exchange, lead, payload)
  if (reply.statusCode === 304 && lead.stale?.head.validators) return freshen(exchange, lead, lead.stale)
  return keep(exchange, lead, payload)
}

async function keep(exchange: Exchange, lead: Lead, payload: Payload): Promise<unknown> {
  const { reply, route } = exchange
  const fields = toFields(reply.getHeaders())
  const verdict = termsOf(responseOf(exchange, fields), policyOf(exchange))
  const vary = varyOf(fields, route.vary)
  const declared = fields['content-length'] === undefined ? undefined : Number(fields['content-length'])
  const kept = withoutConnection(fields)
  let why = verdict.store ? undefined : verdict.why
  if (vary === undefined) why ??= 'vary'
  if (sizeOf(kept) > MOST_FIELD_BYTES) why ??= 'too-many-fields'
  if ((declared ?? 0) > route.maxBodyBytes) why ??= 'too-large'
  // It never ends, or nobody knows when.
  if (textOf(fields['content-type'])?.startsWith('text/event-stream')) why ??= 'events'
  if (!verdict.store || vary === undefined || why !== undefined) return refuse(exchange, lead, payload, why)

  addVary(exchange, route.vary)
  const make = (body: string | Buffer): Page => {
    const own = {
      ...kept,
      ...(route.vary.length > 0 ? { vary: textOf(reply.getHeader('vary') as string) as string } : {}),
    }
    return pageOf(exchange, reply.statusCode, own, verdict.terms, body, selectionFor(exchange, lead, vary))
  }
  if (payload instanceof Readable) {
    exchange.tell({ fwd: exchange.fwd, ttl: verdict.terms.lifetime - verdict.terms.age, stored: true }, 'miss')
    return stream(exchange, lead, payload, declared, (body) => finish(exchange, lead, make(body), vary))
  }
  const body = payload ?? ''
  if (Buffer.byteLength(body) > route.maxBodyBytes) return refuse(exchange, lead, payload, 'too-large')
  const page = make(body)
  const stored = await finish(exchange, lead, page, vary)
  if (page.head.fields.etag !== undefined) reply.header('etag', page.head.fields.etag)
  exchange.tell({ fwd: exchange.fwd, ttl: ttlOf({ page, resident: 0, current: true }), stored }, 'miss')
  return exchange.background ? '' : conditional(reply, page, exchange.conditions, payload)
}

/** Keeps a page, under an index where it varies; whether it was kept. */
async function finish(exchange: Exchange, lead: Lead, page: Page, vary: readonly string[]): Promise<boolean> {
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

function stream(
  exchange: Exchange,
  lead: Lead,
  source: Readable,
  declared: number | undefined,
  whole: (body: Buffer) => Promise<boolean>,
): unknown {
  const tee = new Tee(exchange.route.maxBodyBytes, {
    whole: async (body) => {
      if (declared === undefined || declared === body.length) await whole(body)
      else lead.fail(new FailedError('The body is shorter or longer than it was said to be'))
    },
    tooLarge: () => lead.pass(),
    cut: () => lead.fail(new FailedError('The body ended before it was whole')),
  })
  // The tee is destroyed with the source's error, and the reply with it.
  pipeline(source, tee, () => {})
  return exchange.background ? drain(tee) : tee
}

/** Ends a stream that nobody reads; whatever it says to that. */
function discard(payload: Payload): void {
  if (payload instanceof Readable) payload.on('error', () => {}).destroy()
}

/** Reads what nobody else reads. */
async function drain(tee: Tee): Promise<string> {
  await new Promise((resolve) => tee.resume().once('close', resolve))
  return ''
}

function refuse(exchange: Exchange, lead: Lead, payload: Payload, why: string | undefined): unknown {
  lead.pass()
  exchange.tell({ fwd: exchange.fwd, detail: why }, 'miss')
  if (!exchange.background) return payload
  discard(payload)
  return ''
}

/** The handler failed: nothing is kept, and the client gets what is stale, if that may be (RFC 5861 section 4). */
async function answerFailure(exchange: Exchange, lead: Lead, payload: Payload): Promise<unknown> {
  const { reply } = exchange
  const status = reply.statusCode
  lead.fail(new FailedError('The handler failed'))
  const entry = await exchange.pending?.catch(() => undefined)
  if (status < 500 || entry?.state !== 'stale' || entry.value?.kind !== 'page') {
    exchange.tell({ fwd: exchange.fwd }, 'miss')
    return exchange.background ? '' : payload
  }
  discard(payload)
  const found = { page: entry.value, resident: entry.age, current: false }
  return instead(exchange, found, { fwdStatus: status, result: 'stale' })
}

/** A 304 to the cache's own condition refreshes what is kept (RFC 9111 section 4.3.4); the client gets the whole. */
async function freshen(exchange: Exchange, lead: Lead, stale: Page): Promise<unknown> {
  const { reply } = exchange
  const news = withoutConnection(toFields(reply.getHeaders()))
  const tag = textOf(stale.head.fields.etag)
  const told = textOf(news.etag)
  const fields: Fields = { ...stale.head.fields }
  // Those that describe the content stay (RFC 9111 section 3.2).
  for (const [name, value] of Object.entries(news)) if (!name.startsWith('content-')) fields[name] = value
  if (news.date === undefined) delete fields.date
  const verdict = termsOf({ ...responseOf(exchange, fields), status: stale.head.status }, policyOf(exchange))
  const vary = varyOf(fields, exchange.route.vary)
  let page = stale
  if (told !== undefined && (tag === undefined || !matchesEntityTag(told, tag))) {
    lead.fail(new FailedError('304 to a condition that names another entity tag'))
  } else if (!verdict.store || vary === undefined) lead.pass()
  else {
    const selection = selectionFor(exchange, lead, vary)
    page = pageOf(exchange, stale.head.status, fields, verdict.terms, stale.body, selection)
    await finish(exchange, lead, page, vary)
  }
  return instead(exchange, { page, resident: 0, current: true }, { fwdStatus: 304, result: 'revalidated' })
}

/** Sends a page instead of what the handler sent. */
function instead(
  exchange: Exchange,
  found: FoundPage,
  { fwdStatus, result }: { fwdStatus: number; result: 'stale' | 'revalidated' },
): unknown {
  const { reply, conditions } = exchange
  undress(reply, exchange.before)
  const body = dress(reply, found, conditions)
  exchange.tell({ fwd: 'stale', fwdStatus, ttl: ttlOf(found), stored: result === 'revalidated' }, result)
  return exchange.background ? '' : (body ?? null)
}

function runAlone(exchange: Exchange, payload: Payload): unknown {
  const { alone, reply, desk } = exchange
  const { fwd, detail, collapsed = false, passed } = alone ?? { fwd: 'bypass' as const }
  if (passed !== undefined && !exchange.failed) {
    // It can be kept after all: the next one leads.
    const verdict = termsOf(responseOf(exchange, toFields(reply.getHeaders())), policyOf(exchange))
    if (verdict.store) desk.cache.delete(passed).catch(() => {})
  }
  addVary(exchange, exchange.route.vary)
  exchange.tell({ fwd, collapsed, detail }, fwd === 'bypass' || fwd === 'request' ? 'bypass' : 'miss')
  return payload
}

function pageOf(
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
  const validators = kept.etag !== undefined || kept['last-modified'] !== undefined
  if (kept.etag === undefined && status === 200) kept.etag = makeEntityTag(body)
  kept.date ??= new Date().toUTCString()
  return new Page({ ...rest, status, fields: kept, selection, id: randomUUID(), validators }, body)
}

function selectionFor({ request, question }: Exchange, { place: { vary } }: Lead, names: readonly string[]): string {
  const all = vary !== undefined && names.every((name) => vary.includes(name)) ? vary : allNames(vary, names)
  return selectionOf(all, request.headers, question.site)
}

function allNames(known: readonly string[] = [], names: readonly string[]): readonly string[] {
  return [...new Set([...known, ...names])].sort()
}

function addVary({ reply }: Exchange, names: readonly string[]): void {
  if (names.length === 0) return
  const known = listOf(toFields({ vary: reply.getHeader('vary') }).vary)
  const missing = names.filter((name) => !known.includes(name))
  if (missing.length > 0) reply.header('vary', [...known, ...missing].join(', '))
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

function responseOf({ asked, reply }: Exchange, fields: Fields) {
  return { status: reply.statusCode, fields, transit: { asked, came: Date.now() } }
}

function policyOf({ route, question, request }: Exchange): Policy {
  const { ttl, staleWhileRevalidate, staleIfError, heuristics } = route
  const personal = question.user !== undefined
  // The handler may have begun a session.
  const authorized = question.authorized || (!personal && isAuthorized(request))
  const cookies = route.cookies === 'personal' && request.headers.cookie !== undefined
  return { personal, authorized, cookies, ttl, staleWhileRevalidate, staleIfError, heuristics }
}

/** What is to be sent, with the status and fields of a `Response`; a stream of the web as one of Node. */
function unpack({ reply }: Exchange, sent: unknown): Payload {
  if (Object.prototype.toString.call(sent) === '[object Response]') {
    const response = sent as globalThis.Response
    reply.code(response.status)
    response.headers.forEach((value, name) => void reply.header(name, value))
    return response.body ? Readable.fromWeb(response.body as never) : null
  }
  if (typeof (sent as { getReader?: unknown } | null)?.getReader === 'function') return Readable.fromWeb(sent as never)
  if (typeof (sent as { pipe?: unknown } | null)?.pipe === 'function' && !(sent instanceof Readable))
    return new Readable().wrap(sent as NodeJS.ReadableStream)
  return sent as Payload
}
