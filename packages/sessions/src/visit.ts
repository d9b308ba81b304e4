import type { FastifySessionObject } from '@fastify/session'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Bridge, Signed } from './bridge.js'
import { EndedError, InsecureError, UserError } from './errors.js'
import type { Arrival, Issued, Keeper } from './keeper.js'
import { checkUserId, type ResolvedCookie } from './options.js'
import { Baseline, type Fields, NO_CHANGES, type Record, readFields, writeFields } from './record.js'
import type { Changes } from './store.js'

/** What the visits of one registration share. */
export interface House {
  readonly keeper: Keeper
  readonly bridge: Bridge
  readonly cookieName: string
  readonly cookiePrefix: string
  readonly cookie: ResolvedCookie
  readonly saveUninitialized: boolean
  readonly grace: number
}

/** How a request arrived. `unavailable`: nobody knows. */
export type Start =
  | Arrival
  | { readonly state: 'none' }
  | { readonly state: 'outside' }
  | { readonly state: 'unavailable'; readonly error: unknown }

/** A session object and what is known of it at rest. */
interface Track {
  record: Record | undefined
  baseline: Baseline
}

const USER_AGENT_LENGTH = 256

/** One request's dealings with its session. The session object is made when the request first asks for it. */
export class Visit {
  readonly #house: House
  readonly #request: FastifyRequest
  readonly #signed: Signed | undefined
  #start: Start
  #session: FastifySessionObject | null | object | undefined
  #track: Track | undefined
  readonly #tracks = new WeakMap<object, Track>()
  /** The user whom this request's session belonged to, also after it was destroyed to be regenerated. */
  #owner = ''
  #cookie: 'keep' | 'send' | 'clear' = 'keep'
  /** Whether the session was made in this request: its expiry is as late as can be. */
  #issued = false
  #finished = false

  constructor(house: House, request: FastifyRequest, start: Start, signed?: Signed) {
    this.#house = house
    this.#request = request
    this.#start = start
    this.#signed = signed
    if (signed?.renew && start.state === 'live') this.#cookie = 'send'
  }

  /** Whether nobody could tell whose session it is. */
  get unavailable(): boolean {
    return this.#start.state === 'unavailable'
  }

  /** The session as it lies at rest, if there is one. */
  get record(): Record | undefined {
    if (this.#session === undefined) return this.#start.state === 'live' ? this.#start.record : undefined
    return this.#track?.record
  }

  /** What `request.session` reads. Throws `LARDER_SESSIONS_UNAVAILABLE`. */
  get session(): unknown {
    if (this.#session === undefined) this.#open()
    return this.#session
  }

  /** What `request.session` is set to: by `@fastify/session`. */
  set session(value: unknown) {
    this.#session = value as object | null
    this.#track = undefined
    if (typeof value !== 'object' || value === null) {
      this.#cookie = 'clear'
      return
    }
    const record = this.#house.bridge.delivered
    const known = this.#tracks.get(value)
    if (known) this.#track = known
    else this.#track = { record, baseline: new Baseline(record?.data ?? NO_CHANGES.set, this.#house.bridge.fields) }
    this.#tracks.set(value, this.#track)
    if (this.#track.record) this.#owner = this.#track.record.owner
  }

  /** For `session.save()` and `session.regenerate()`. */
  async write(id: string, session: FastifySessionObject, fresh: boolean): Promise<void> {
    const track = this.#tracks.get(session) ?? { record: undefined, baseline: new Baseline(NO_CHANGES.set, {}) }
    this.#tracks.set(session, track)
    if (track.record) await this.#save(track, track.record, session)
    else if (fresh) await this.#issue(track, session, id)
  }

  /** For `session.isModified()`. */
  modified(session: FastifySessionObject): boolean {
    const track = this.#tracks.get(session)
    const changes = track?.baseline.changes(session, track.record?.owner ?? this.#owner)
    return changes !== undefined && changes.set.size + changes.remove.length > 0
  }

  /** `request.login()`. */
  async login(userId: unknown, data: object): Promise<void> {
    const owner = JSON.stringify(checkUserId(userId))
    const own = writeFields(data)
    if (this.#start.state === 'unavailable') throw this.#start.error
    if (this.#house.cookie.secure === true && this.#request.protocol !== 'https') throw new InsecureError()
    const { record } = this
    const changes = this.#changes()
    this.#enter(await this.#house.keeper.login({ record, changes, own, owner, device: this.#device() }))
  }

  /** `request.rotate()`. */
  async rotate(grace: number): Promise<void> {
    if (this.#start.state === 'unavailable') throw this.#start.error
    const { record } = this
    if (!record) throw new EndedError()
    this.#enter(await this.#house.keeper.rotate(record, this.#changes(), this.#device(), grace))
  }

  /** `request.logout()`: afterwards `request.session` is a new, empty one. */
  async logout(): Promise<void> {
    if (this.#start.state === 'unavailable') throw this.#start.error
    const { record } = this
    if (record) await this.#house.keeper.end(record.key, record.owner, 'logout')
    if (this.#signed && this.#house.keeper.options.migrate) await this.#house.keeper.endId(this.#signed.id, 'logout')
    this.#start = { state: 'none' }
    this.#session = undefined
    this.#track = undefined
    this.#owner = ''
    this.#cookie = this.#signed ? 'clear' : 'keep'
  }

  /** What is left to do before the answer goes out; nothing, for most. */
  finish(reply: FastifyReply): Promise<void> | undefined {
    if (this.#finished) return undefined
    this.#finished = true
    const { state } = this.#start
    if (this.#start.state === 'unavailable') {
      if (reply.statusCode === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', '1')
      return undefined
    }
    if (state === 'outside') return undefined
    const { record } = this
    const changes = this.#track ? this.#changes() : NO_CHANGES
    const changed = changes.set.size + changes.remove.length > 0
    if (record ? changed || (!this.#issued && this.#house.keeper.due(record)) : this.#shouldMake(changed))
      return this.#finish(reply, changes)
    this.#sendCookie(reply)
    return undefined
  }

  #shouldMake(changed: boolean): boolean {
    return this.#track !== undefined && (changed || this.#house.saveUninitialized)
  }

  async #finish(reply: FastifyReply, changes: Changes): Promise<void> {
    const { keeper, cookie } = this.#house
    const { record } = this
    const session = this.#session as FastifySessionObject
    if (record) {
      const touched = await this.#saveOrTouch(record, changes)
      if (touched && cookie.maxAge !== undefined && this.#cookie === 'keep') this.#cookie = 'send'
    } else if (this.#start.state === 'superseded' || !this.#house.bridge.isFresh(this.#request, session.sessionId)) {
      // A session of its own would take the place of the cookie that the rotation has just sent; and what was reloaded after its
      // end stays ended.
      keeper.tell({ type: 'dropped', fields: changes.set.size })
    } else if (!this.#insecure(session)) {
      await this.#issue(this.#track as Track, session, session.sessionId)
    }
    this.#sendCookie(reply)
  }

  async #saveOrTouch(record: Record, changes: Changes): Promise<boolean> {
    if (changes !== NO_CHANGES && changes.set.size + changes.remove.length > 0)
      return this.#house.keeper.save(record, changes, this.#device())
    try {
      return await this.#house.keeper.save(record, NO_CHANGES, this.#device())
    } catch {
      // The answer is ready, and the next request moves the expiry.
      return false
    }
  }

  async #save(track: Track, record: Record, session: FastifySessionObject): Promise<void> {
    const changes = track.baseline.changes(session, record.owner)
    if (changes.set.size + changes.remove.length === 0) return
    await this.#house.keeper.save(record, changes, this.#device())
    track.baseline.saved(changes, { ...session } as unknown as Fields)
  }

  async #issue(track: Track, session: FastifySessionObject, id: string): Promise<void> {
    const user = session.userId
    // `regenerate(['userId'])` keeps the user whom a login had bound.
    if (user !== undefined && JSON.stringify(user) !== this.#owner) throw new UserError()
    const owner = user === undefined ? '' : this.#owner
    const data = writeFields(session)
    const { record } = await this.#house.keeper.issue({ owner, device: this.#device(), data }, id)
    track.record = record
    track.baseline = new Baseline(data, { ...session } as unknown as Fields)
    this.#cookie = 'send'
    this.#issued = true
  }

  /** Goes on with a session that has just been made. */
  #enter({ id, record }: Issued): void {
    const { bridge } = this.#house
    bridge.open(
      this.#request,
      { id, key: record.key, cookie: bridge.sign(id), renew: false },
      { record, fields: readFields(record) },
    )
    this.#cookie = 'send'
    this.#issued = true
  }

  #open(): void {
    if (this.#start.state === 'unavailable') throw this.#start.error
    if (this.#start.state === 'outside') {
      // As `@fastify/session` does where the cookie's path does not match.
      this.#session = {}
      return
    }
    const { bridge } = this.#house
    const cookie = this.#cookie
    const { record } = this
    if (record) bridge.open(this.#request, this.#signed, { record, fields: readFields(record) })
    else bridge.open(this.#request)
    this.#cookie = cookie
  }

  /** What this request changed so far. */
  #changes(): Changes {
    if (!this.#track) return NO_CHANGES
    return this.#track.baseline.changes(this.#session as object, this.#track.record?.owner ?? this.#owner)
  }

  #insecure(session: FastifySessionObject): boolean {
    return session.cookie.secure === true && this.#request.protocol !== 'https'
  }

  #sendCookie(reply: FastifyReply): void {
    const { cookieName, cookiePrefix, cookie } = this.#house
    if (this.#cookie === 'clear') {
      // Browsers take the place of a `__Host-`, `SameSite=None` or partitioned cookie only by one with the same attributes.
      const { maxAge, expires, secure, ...attributes } = cookie
      const https = this.#request.protocol === 'https'
      reply.clearCookie(cookieName, { ...attributes, secure: secure === 'auto' ? https : secure === true })
    }
    if (this.#cookie !== 'send') return
    const session = this.session as FastifySessionObject
    if (this.#insecure(session)) return
    session.touch()
    const attributes = (session.cookie as unknown as { toJSON(): object }).toJSON()
    // `@fastify/session` weakens it to lax where `secure: 'auto'` meets plain HTTP, which only `none` needs.
    if (cookie.sameSite === 'strict' || cookie.sameSite === true) Object.assign(attributes, { sameSite: 'strict' })
    reply.setCookie(cookieName, cookiePrefix + session.encryptedSessionId, attributes)
  }

  #device(): string {
    const agent = this.#request.headers['user-agent']
    return JSON.stringify({ ip: this.#request.ip, userAgent: agent?.slice(0, USER_AGENT_LENGTH) })
  }
}
