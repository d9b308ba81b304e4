import type { LoadContext } from '@larder/cache-aside'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Happened } from './cache-status.js'
import type { ResponseResult } from './channel.js'
import type { Desk } from './desk.js'
import { NotCachedError } from './errors.js'
import { type Fields, toFields } from './fields.js'
import { AbandonedError, Lead, type Place } from './lead.js'
import type { ResolvedRoute } from './options.js'
import type { Outlet } from './outlet.js'
import type { Index, Kept, Page } from './page.js'
import type { Alone, Question } from './question.js'
import { type FoundPage, reuseOf, ttlOf } from './reuse.js'
import { CHOICES, slotKey } from './slot.js'
import { type Conditions, conditionsOf } from './validators.js'
import { selectionOf } from './vary.js'

/** How often a request asks again whose leader's client left. */
const ATTEMPTS = 10

/** What an {@link Exchange} is made of. */
export interface ExchangeOptions {
  readonly desk: Desk
  readonly route: ResolvedRoute
  readonly outlet: Outlet
  readonly question: Question
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** When the request came, if anybody listens. */
  readonly begun: number | undefined
  /** Goes on to the handler. */
  handle(): void
}

/**
 * One request for a page that this process cannot answer at once: either a page answers it after all, or it leads (runs the handler
 * on behalf of all who ask for the same), or it runs the handler alone.
 */
export class Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: ResolvedRoute
  readonly desk: Desk
  readonly question: Question
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
  readonly #options: ExchangeOptions
  #told = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.desk = options.desk
    this.route = options.route
    this.request = options.request
    this.reply = options.reply
    this.question = options.question
  }

  /** Runs the handler for this request alone. */
  run(alone: Alone): void {
    this.alone = alone
    this.asked = Date.now()
    this.#options.handle()
  }

  /** The event and the field of how the request was answered. */
  tell(happened: Happened, result: ResponseResult): void {
    const { outlet, begun } = this.#options
    // A stream that fails before its first byte is followed by an error.
    if (this.#told) this.reply.removeHeader('cache-status')
    this.#told = true
    outlet.tell(this.desk, this.request, this.reply, happened, this.background ? 'refresh' : result, begun)
  }

  #serve(found: FoundPage, happened: Happened, result: ResponseResult): void {
    this.served = true
    const { outlet, begun } = this.#options
    outlet.serve(this.desk, this.request, this.reply, { found, happened, result, begun })
  }

  /** Asks the cache, and waits there for whoever leads, or leads. */
  find(attempt = 1): void {
    this.#look()
      .catch((error) => {
        if (this.lead) return
        const again = error instanceof AbandonedError && attempt < ATTEMPTS
        if (again) this.find(attempt + 1)
        else this.run({ fwd: this.fwd, collapsed: true })
      })
      .catch((error) => this.reply.send(error))
  }

  async #look(): Promise<void> {
    const place = { key: this.question.key, selection: this.question.site }
    const kept = await this.#ask(place)
    if (kept === undefined) return
    if (kept.value.kind === 'pass') return this.run({ fwd: 'miss', detail: 'not-storable', passed: place.key })
    if (kept.value.kind === 'page' && kept.value.head.selection === this.question.site)
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
    const reuse = reuseOf(found, this.question.control, this.question.authorized)
    if (reuse === 'forbidden') return this.run({ fwd: 'bypass', detail: 'credentials' })
    if (reuse === 'validate' && !forced) {
      if (this.question.control?.onlyIfCached) return this.#refuse()
      if (this.request.method === 'HEAD') return this.run({ fwd: 'request', known: { key: place.key, page } })
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
    if (this.question.control?.onlyIfCached || this.request.method === 'HEAD') {
      const { value, state, age } = await cache.entry<Kept | undefined>(place.key)
      if (value !== undefined) return { value, state, age }
      if (this.question.control?.onlyIfCached) this.#refuse()
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
      const { request, desk, question } = this
      const { originalUrl: url, headers } = request
      const { site, user } = question
      const keep = user === undefined ? (place.vary ?? []) : ['authorization', 'cookie']
      desk.revalidations.run({ url, headers, address: request.socket.remoteAddress, site, user, keep }, lead, context)
    })
  }

  /** Brings what is asked for anew in the background. */
  revalidate(lead: Lead): void {
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
    this.#options.handle()
  }

  #refuse(): void {
    this.served = true
    this.tell({ fwd: 'request', detail: 'only-if-cached' }, 'error')
    this.reply.send(new NotCachedError())
  }

  #selection(vary: readonly string[]): string {
    return selectionOf(vary, this.request.headers, this.question.site)
  }

  #slot(id: string, selection: string, choice: number): string {
    return slotKey(this.question.key, id, selection, choice, this.desk.options.maxVariants)
  }

  /** Where a variant goes when its index is made. */
  firstSlot(id: string, selection: string): string {
    return this.#slot(id, selection, 0)
  }

  /** Where the index goes. */
  get primary(): string {
    return this.question.key
  }
}
