import { dress, undress } from './answer.js'
import type { Exchange } from './exchange.js'
import { type Fields, toFields, withoutConnection } from './fields.js'
import { FailedError, type Lead } from './lead.js'
import type { Page } from './page.js'
import { discard, type Payload } from './payload.js'
import { type FoundPage, ttlOf } from './reuse.js'
import { finish, pageOf, policyOf, responseOf, selectionFor } from './storage.js'
import { termsOf } from './terms.js'
import { isAbout, withoutContent } from './validators.js'
import { varyOf } from './vary.js'

/** The handler failed: nothing is kept, and the client gets what is stale, if that may be (RFC 5861 section 4). */
export async function answerFailure(exchange: Exchange, lead: Lead, payload: Payload): Promise<unknown> {
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
export async function freshen(exchange: Exchange, lead: Lead, stale: Page): Promise<unknown> {
  const { reply } = exchange
  const news = withoutConnection(toFields(reply.getHeaders()))
  const { validators } = stale.head
  if (!isAbout(news, validators)) return repeat(exchange, lead)
  const { etag: _, ...fields }: Fields = { ...stale.head.fields }
  // Those that describe the content stay. An entity tag that was made here is made again.
  Object.assign(fields, validators, withoutContent(news))
  if (news.date === undefined) delete fields.date
  const verdict = termsOf({ ...responseOf(exchange, fields), status: stale.head.status }, policyOf(exchange))
  const vary = varyOf(fields, exchange.route.vary)
  let page = stale
  if (!verdict.store || vary === undefined) lead.pass()
  else {
    const selection = selectionFor(exchange, lead, vary)
    page = pageOf(exchange, stale.head.status, fields, verdict.terms, stale.body, selection)
    await finish(exchange, lead, page, vary)
  }
  return instead(exchange, { page, resident: 0, current: true }, { fwdStatus: 304, result: 'revalidated' })
}

/**
 * A 304 about another response than the one that is kept says nothing of it (RFC 9111 section 4.3.4): what is kept is gone, and the
 * same request goes through the application once more, without condition.
 */
async function repeat(exchange: Exchange, lead: Lead): Promise<unknown> {
  const { reply, request, desk, question } = exchange
  lead.fail(new FailedError('304 about another response'))
  await desk.cache.delete(lead.place.key)
  if (exchange.background) return ''
  const { status, fields, body } = await desk.revalidations.repeat(request, question)
  undress(reply, exchange.before)
  reply.code(status)
  for (const [name, value] of Object.entries(withoutConnection(fields))) reply.header(name, value)
  return body
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
