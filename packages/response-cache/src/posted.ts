import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { controlOf } from './control.js'
import { isAuthorized } from './credentials.js'
import { type Desk, freshTime } from './desk.js'
import { textOf, toFields, withoutConnection } from './fields.js'
import type { ResolvedRoute } from './options.js'
import { type Kept, Page } from './page.js'
import { targetOf } from './question.js'
import { primaryKey } from './slot.js'
import { termsOf } from './terms.js'
import { resolveLocal } from './unsafe.js'
import { makeEntityTag, validatorsOf } from './validators.js'
import { varyOf } from './vary.js'

/**
 * A POST whose answer may be what a GET of the same URI would bring: it says how long it is fresh, and that it is found there by its
 * own `Content-Location` (RFC 9110 section 9.3.3). Readers wait for it, and of two that overlap neither is kept (G4).
 */
export class Posted {
  readonly #desk: Desk
  readonly #route: ResolvedRoute
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #asked = Date.now()
  #answered: (page: Page | undefined) => void = () => {}
  #written: Promise<unknown> | undefined

  constructor(desk: Desk, route: ResolvedRoute, request: FastifyRequest, reply: FastifyReply) {
    this.#desk = desk
    this.#route = route
    this.#request = request
    this.#reply = reply
  }

  /** Calls the handler once what is kept is void. */
  start(done: () => void): void {
    const key = primaryKey(targetOf(this.#request))
    this.#reply.raw.once('close', () => this.#answered(undefined))
    let called = false
    const handle = (): void => {
      if (!called) done()
      called = true
    }
    this.#written = this.#desk.cache
      .writeThrough<Kept>(key, (context) => {
        const answered = new Promise<Kept>((resolve) => {
          this.#answered = (page) => {
            if (page === undefined) context.skip()
            else {
              const { staleWhileRevalidate, staleIfError } = page.head
              context.setTtl(freshTime(page), { staleWhileRevalidate, staleIfError })
            }
            resolve(page ?? { kind: 'pass' })
          }
        })
        // It may answer at once.
        handle()
        return answered
      })
      .catch((error) => {
        this.#request.log.error(error)
        handle()
      })
  }

  /** Keeps the answer of the handler, or leaves nothing kept. */
  async finish(payload: unknown): Promise<void> {
    this.#answered(this.#page(payload))
    await this.#written
  }

  #page(payload: unknown): Page | undefined {
    const { statusCode: status } = this.#reply
    const fields = toFields(this.#reply.getHeaders())
    const control = controlOf(fields)
    const explicit = control.maxAge !== undefined || control.sharedMaxAge !== undefined || fields.expires !== undefined
    const body = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : undefined
    const { headers } = this.#request
    if (status !== 200 || !explicit || body === undefined || Buffer.byteLength(body) > this.#route.maxBodyBytes)
      return undefined
    if (resolveLocal(textOf(fields['content-location']), this.#request) !== this.#request.originalUrl) return undefined
    if (varyOf(fields, this.#route.vary)?.length !== 0) return undefined
    const verdict = termsOf(
      { status, fields, transit: { asked: this.#asked, came: Date.now() } },
      {
        ...this.#route,
        personal: false,
        authorized: isAuthorized(this.#request),
        cookies: this.#route.cookies === 'personal' && headers.cookie !== undefined,
      },
    )
    if (!verdict.store || headers['cache-control']?.includes('no-store')) return undefined
    const { omit, ...terms } = verdict.terms
    const kept = withoutConnection(fields)
    for (const name of [...omit, 'age', 'cache-status']) delete kept[name]
    const validators = validatorsOf(kept)
    kept.etag ??= makeEntityTag(body)
    kept.date ??= new Date().toUTCString()
    const selection = this.#desk.sites.of(this.#request)
    return new Page({ ...terms, status, fields: kept, selection, id: randomUUID(), validators }, body)
  }
}
