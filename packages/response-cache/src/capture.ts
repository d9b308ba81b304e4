import { pipeline, Readable } from 'node:stream'
import { conditional } from './answer.js'
import type { Exchange } from './exchange.js'
import { areValid, listOf, sizeOf, textOf, toFields, withoutConnection } from './fields.js'
import { answerFailure, freshen } from './instead.js'
import { FailedError, type Lead } from './lead.js'
import type { Page } from './page.js'
import { discard, type Payload, unpack } from './payload.js'
import { ttlOf } from './reuse.js'
import { finish, pageOf, policyOf, responseOf, selectionFor } from './storage.js'
import { Tee } from './tee.js'
import { termsOf } from './terms.js'
import { hasChanged } from './validators.js'
import { varyOf } from './vary.js'

/** Fields that take more are not kept, in bytes: a client has to swallow them at every hit. */
const MOST_FIELD_BYTES = 16 * 1024

/** Looks at the answer of the handler: keeps it, and gives back what the client gets. */
export async function capture(exchange: Exchange, sent: unknown): Promise<unknown> {
  const { lead, reply } = exchange
  const payload = unpack(reply, sent)
  if (!lead) return runAlone(exchange, payload)
  if (exchange.failed || reply.statusCode >= 500) return answerFailure(exchange, lead, payload)
  if (!lead.open) {
    exchange.tell({ fwd: exchange.fwd }, 'miss')
    return payload
  }
  if (reply.statusCode === 304 && lead.stale && Object.keys(lead.stale.head.validators).length > 0)
    return freshen(exchange, lead, lead.stale)
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
  if (!areValid(kept)) why ??= 'fields'
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

function runAlone(exchange: Exchange, payload: Payload): unknown {
  const { alone, reply, desk } = exchange
  const { fwd, detail, collapsed = false, passed, known } = alone ?? { fwd: 'bypass' as const }
  if (known !== undefined && reply.statusCode === 200) {
    const kept = { fields: known.page.head.validators, length: Buffer.byteLength(known.page.body) }
    if (hasChanged(toFields(reply.getHeaders()), kept)) desk.cache.delete(known.key).catch(() => {})
  }
  if (passed !== undefined && !exchange.failed) {
    // It can be kept after all: the next one leads.
    const verdict = termsOf(responseOf(exchange, toFields(reply.getHeaders())), policyOf(exchange))
    if (verdict.store) desk.cache.delete(passed).catch(() => {})
  }
  addVary(exchange, exchange.route.vary)
  exchange.tell({ fwd, collapsed, detail }, fwd === 'bypass' || fwd === 'request' ? 'bypass' : 'miss')
  return payload
}

function addVary({ reply }: Exchange, names: readonly string[]): void {
  if (names.length === 0) return
  const known = listOf(toFields({ vary: reply.getHeader('vary') }).vary)
  const missing = names.filter((name) => !known.includes(name))
  if (missing.length > 0) reply.header('vary', [...known, ...missing].join(', '))
}
