import type { LoadContext } from '@larder/cache-aside'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Body, dress, tell } from './answer.js'
import type { Happened } from './cache-status.js'
import { publish, type ResponseResult, responseChannel } from './channel.js'
import { type RequestControl, requestControlOf } from './control.js'
import { isAuthorized } from './credentials.js'
import type { Desk } from './desk.js'
import { NotCachedError } from './errors.js'
import { type Fields, toFields } from './fields.js'
import { AbandonedError, Lead, type Place } from './lead.js'
import type { ResolvedRoute } from './options.js'
import type { Index, Kept, Page } from './page.js'
import { type FoundPage, reuseOf, ttlOf } from './reuse.js'
import { CHOICES, primaryKey, slotKey } from './slot.js'
import { type Conditions, conditionsOf } from './validators.js'
import { selectionOf } from './vary.js'

/** How often a request asks again whose leader's client left. */
const ATTEMPTS = 10

/** What the handler is run for, and not for the sake of the cache. */
export interface Alone {
  readonly fwd: Exclude<Happened['fwd'], undefined>
  readonly detail?: string
  readonly collapsed?: boolean
  /** Under it stands that nothing can be kept. */
  readonly passed?: string
}

/**
 * One request for a page, from the lookup to what is sent: either a page answers it, or it leads (runs the handler on behalf of all
 * who ask for the same), or it runs the handler alone.
 */
export class Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: ResolvedRoute
  readonly desk: Desk
  readonly control: RequestControl | undefined
  readonly site: string
  readonly user: string | number | undefined
  readonly authorized: boolean
  /** Conditions that the client set, once they are answered here. */
  conditions: Conditions | undefined
  /** When the handler was called, by the clock of this machine. */
  asked = 0
  lead: Lead | undefined
  alone: Alone | undefined
  /** Why the leader leads. */
  fwd: 'uri-miss' | 'vary-miss' | 'stale' | 'request' = 'uri-miss'
  /** What the lookup waits for: for a leader, that it is kept. */
  pending: Promise<{ readonly value: Kept | undefined; readonly state: string; readonly age: number }> | undefined
  /** A request of our own, whose answer nobody reads. */
  background = false
  /** The handler threw. */
  failed = false
  /** Fields that were there before the handler ran. */
  before: Fields = {}
  /** A page answers. */
  served = false
  /** When it began; only known while somebody listens. */
  readonly #begun = responseChannel.hasSubscribers ? performance.now() : undefined
  readonly #key: string
  readonly #done: () => void

  constructor(desk: Desk, route: ResolvedRoute, request: FastifyRequest, reply: FastifyReply, done: () => void) {
    this.desk = desk
    this.route = route
    this.request = request
    this.reply = reply
    this.#done = done
    const { headers } = request
    this.control = requestControlOf(headers['cache-control'], headers.pragma as string | undefined)
    this.site = desk.sites.of(request)
    this.user = route.private?.(request) ?? undefined
    this.authorized = this.user === undefined && isAuthorized(request)
    this.#key = primaryKey(targetOf(request), this.user)
  }

  /** Answers from this process at once, or looks further. */
  start(): void {
    const { request, desk } = this
    const job = desk.revalidations.take(request.headers, request.originalUrl)
    const reason = job ? undefined : bypassOf(request, this.control)
    if (job) this.#revalidate(job.lead)
    else if (reason) this.run(reason)
    else if (!this.#answer()) this.#find().catch((error) => this.reply.send(error))
  }

  /** Answers from what this process has, if it can. */
  #answer(): boolean {
    const { desk } = this
    const kept = desk.cache.local<Kept>(this.#key)
    if (kept !== undefined) {
      const { value } = kept
      if (value.kind === 'page' && value.head.selection === this.site) return this.#use(value, kept.created)
      if (value.kind === 'index') {
        const selection = this.#selection(value.vary)
        const slot = desk.cache.local<Kept>(this.#slot(value.id, selection, 0))
        if (
          slot?.value.kind === 'page' &&
          slot.value.head.selection === selection &&
          this.#use(slot.value, slot.created)
        )
          return true
      }
    }
    return false
  }

  /** Runs the handler for this request alone. */
  run(alone: Alone): void {
    this.alone = alone
    this.asked = Date.now()
    this.#done()
  }

  /** The events and the field of how the request was answered. */
  tell(happened: Happened, result: ResponseResult): void {
    const { options, name, app } = this.desk
    tell(this.reply, options.status, options.statusKey ? { ...happened, key: targetOf(this.request) } : happened)
    if (!responseChannel.hasSubscribers) return
    const route = this.request.routeOptions.url ?? ''
    const now = performance.now()
    const where = { cache: name, app, route, milliseconds: now - (this.#begun ?? now) }
    publish(this.background ? { type: 'refresh', ...where } : { type: 'request', ...where, result })
  }

  #use(page: Page, created: number): boolean {
    const found = { page, resident: Math.max(0, this.desk.cache.now() - created), current: false }
    if (reuseOf(found, this.control, this.authorized) !== 'use') return false
    this.#serve(found, { hit: true, ttl: ttlOf(found) }, 'hit')
    return true
  }

  #serve(found: FoundPage, happened: Happened, result: ResponseResult): void {
    this.served = true
    const body: Body = dress(this.reply, found, conditionsOf(this.request.headers))
    this.tell(happened, result)
    this.reply.send(body)
  }

  /** Asks the cache, and waits there for whoever leads, or leads. */
  async #find(): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        await this.#look()
        return
      } catch (error) {
        if (this.lead) return
        if (error instanceof AbandonedError) continue
        return this.run({ fwd: this.fwd, collapsed: true })
      }
    }
    this.run({ fwd: this.fwd })
  }

  async #look(): Promise<void> {
    const place = { key: this.#key, selection: this.site }
    const kept = await this.#ask(place)
    if (kept === undefined) return
    if (kept.value.kind === 'pass') return this.run({ fwd: 'miss', detail: 'not-storable', passed: place.key })
    if (kept.value.kind === 'page' && kept.value.head.selection === this.site)
      return this.#consider(place, kept.value, kept)
    // A page of another site that is reached by the same application stands where an index would.
    const index: Index = kept.value.kind === 'page' ? { kind: 'index', id: kept.value.head.id, vary: [] } : kept.value
    this.fwd = 'vary-miss'
    const selection = this.#selection(index.vary)
    for (let choice = 0; choice < CHOICES; choice++) {
      const slot = { key: this.#slot(index.id, selection, choice), selection, vary: index.vary }
      const there = await this.#ask(slot)
      if (there === undefined) return
      if (there.value.kind === 'pass') return this.run({ fwd: 'miss', detail: 'not-storable', passed: slot.key })
      if (there.value.kind === 'page' && there.value.head.selection === selection)
        return this.#consider(slot, there.value, there)
    }
    this.run({ fwd: 'vary-miss', detail: 'too-many-variants' })
  }

  async #consider(
    place: Place,
    page: Page,
    { state, age }: { state: string; age: number },
    forced = false,
  ): Promise<void> {
    const current = state !== 'hit' && state !== 'stale'
    const found = { page, resident: age, current }
    const reuse = reuseOf(found, this.control, this.authorized)
    if (reuse === 'forbidden') return this.run({ fwd: 'bypass', detail: 'credentials' })
    if (reuse === 'validate' && !forced) {
      if (this.control?.onlyIfCached) return this.#refuse()
      if (this.request.method === 'HEAD') return this.run({ fwd: 'request' })
      this.fwd = page.head.validate ? 'stale' : 'request'
      const there = await this.#ask(place, true)
      if (there === undefined) return
      if (there.value.kind !== 'page' || there.value.head.selection !== place.selection)
        return this.run({ fwd: this.fwd, collapsed: true })
      return this.#consider(place, there.value, { ...there, state: 'miss' }, true)
    }
    if (!current) return this.#serve(found, { hit: true, ttl: ttlOf(found) }, state === 'stale' ? 'stale' : 'hit')
    this.#serve(found, { fwd: this.fwd, ttl: ttlOf(found), collapsed: true }, 'collapsed')
  }

  /** What is kept, or comes to be kept; `undefined` when this request leads, or has been answered. */
  async #ask(place: Place, force = false): Promise<{ value: Kept; state: string; age: number } | undefined> {
    const { cache } = this.desk
    if (this.control?.onlyIfCached || this.request.method === 'HEAD') {
      const { value, state, age } = await cache.entry<Kept | undefined>(place.key)
      if (value !== undefined) return { value, state, age }
      if (this.control?.onlyIfCached) this.#refuse()
      else this.run({ fwd: this.fwd })
      return undefined
    }
    const load = (context: LoadContext): Promise<Kept> => this.#load(place, context)
    const pending = cache.entry<Kept>(place.key, load, force ? { force } : undefined)
    this.pending = pending
    const entry = await pending
    return this.lead ? undefined : entry
  }

  /** Called when nobody else loads it. */
  #load(place: Place, context: LoadContext): Promise<Kept> {
    return new Promise((resolve, reject) => {
      const lead = new Lead(place, context, resolve, reject)
      if (!context.background) return this.#follow(lead)
      const { request, desk } = this
      const keep = this.user === undefined ? (place.vary ?? []) : ['authorization', 'cookie']
      const stale = { url: request.originalUrl, headers: request.headers, address: request.socket.remoteAddress, keep }
      desk.revalidations.run(stale, lead, context)
    })
  }

  #revalidate(lead: Lead): void {
    this.background = true
    this.#follow(lead)
  }

  #follow(lead: Lead): void {
    const { request, reply } = this
    this.lead = lead
    if (lead.stale) this.fwd = this.fwd === 'request' ? 'request' : 'stale'
    this.conditions = conditionsOf(request.headers)
    lead.condition(request.headers)
    lead.watch(reply, reply.raw)
    this.before = toFields(reply.getHeaders())
    this.asked = Date.now()
    this.#done()
  }

  #refuse(): void {
    this.served = true
    this.tell({ fwd: 'request', detail: 'only-if-cached' }, 'error')
    this.reply.send(new NotCachedError())
  }

  #selection(vary: readonly string[]): string {
    return selectionOf(vary, this.request.headers, this.site)
  }

  #slot(id: string, selection: string, choice: number): string {
    return slotKey(this.#key, id, selection, choice, this.desk.options.maxVariants)
  }

  /** Where a variant goes when its index is made. */
  firstSlot(id: string, selection: string): string {
    return this.#slot(id, selection, 0)
  }

  /** Where the index goes. */
  get primary(): string {
    return this.#key
  }
}

/** What was asked for; where the application rewrites URLs, both forms tell. */
export function targetOf(request: FastifyRequest): string {
  const { url, originalUrl } = request
  return url === originalUrl ? url : `${url} ${originalUrl}`
}

/** Why the cache is not asked. Ranges and preconditions of other methods go on to the handler, which may understand them. */
function bypassOf({ headers }: FastifyRequest, control: RequestControl | undefined): Alone | undefined {
  if (control?.noStore) return { fwd: 'request', detail: 'no-store' }
  if (headers.range !== undefined || headers['if-range'] !== undefined) return { fwd: 'bypass', detail: 'range' }
  if (headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined)
    return { fwd: 'bypass', detail: 'precondition' }
  if (headers.upgrade !== undefined) return { fwd: 'bypass', detail: 'upgrade' }
  // The content of a GET is no part of the key.
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
    return { fwd: 'bypass', detail: 'content' }
  return undefined
}
