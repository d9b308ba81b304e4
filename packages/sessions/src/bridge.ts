import { Signer } from '@fastify/cookie'
import fastifySession, { type FastifySessionObject, type SessionStore } from '@fastify/session'
import type { FastifyInstance, FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { IncompatibleError } from './errors.js'
import { keyOf, newId } from './identity.js'
import type { ResolvedCookie } from './options.js'
import type { Fields, Record } from './record.js'
import type { SessionKey } from './store.js'
import { Template } from './template.js'

/** What a session object is made of: the record that its fields were read from. */
export interface Opened {
  readonly record: Record
  readonly fields: Fields
}

/** Who does what `@fastify/session` asks its store for. */
export interface Desk {
  /** What is behind an id, for `session.reload()` and `decryptSession()`. */
  read(id: string): Promise<Opened | undefined>
  /** Whether the session differs from what was read. */
  modified(session: FastifySessionObject, request: FastifyRequest | undefined): boolean
  /** @param fresh whether the session was made by this request rather than read */
  write(id: string, session: FastifySessionObject, request: FastifyRequest | undefined, fresh: boolean): Promise<void>
  end(id: string): Promise<void>
}

/** Options of a {@link Bridge}. */
export interface BridgeOptions {
  readonly secret: readonly string[]
  readonly cookieName: string
  readonly cookiePrefix: string
  readonly cookie: ResolvedCookie
}

/** A session's id with its signature, as the cookie carries it. */
export interface Signed {
  readonly id: string
  readonly key: SessionKey
  readonly cookie: string
  /** Signed with a secret that is on its way out. */
  readonly renew: boolean
}

type Decrypt = (cookie: string, request: FastifyRequest, callback: (error?: unknown) => void) => void

/**
 * The seam to `@fastify/session`: it makes the `request.session` objects and their methods; when to load and when to save is ours,
 * so its two hooks are not installed. Why: docs/decisions/0009-sessions-around-fastify-session.md.
 */
export class Bridge {
  readonly #options: BridgeOptions
  readonly #desk: Desk
  readonly #signer: Signer
  /** Ids made for a request, by which a session that was never stored is told from one that was and has ended. */
  readonly #fresh = new WeakMap<object, Set<string>>()
  /** What `@fastify/session` is about to ask for while {@link open} runs. */
  #opening: (Signed & Opened) | undefined
  #decrypt: Decrypt | undefined
  #delivered: Opened | undefined
  #template: Template | undefined
  readonly #verified = new Verified()

  constructor(options: BridgeOptions, desk: Desk) {
    this.#options = options
    this.#desk = desk
    this.#signer = new Signer([...options.secret])
  }

  /**
   * Registers `@fastify/session` under its own name.
   *
   * @param session what `request.session` is: a getter and a setter
   */
  async register(
    fastify: FastifyInstance,
    session: { getter(): unknown; setter(value: unknown): void },
  ): Promise<void> {
    const plugin: FastifyPluginCallback = (instance, _options, done) => {
      const face = {
        decorate: (name: string, value: unknown) => {
          if (name === 'decryptSession') this.#decrypt = value as Decrypt
          instance.decorate(name, value as never)
        },
        decorateRequest: (name: string, value: unknown) => {
          instance.decorateRequest(name as 'session', (name === 'session' ? session : value) as never)
        },
        addHook: () => {},
      }
      const { cookieName, cookiePrefix, cookie } = this.#options
      fastifySession(
        face as unknown as FastifyInstance,
        {
          secret: { sign: (id) => this.sign(id), unsign: (cookie) => this.#unsign(cookie) },
          store: this.#store(),
          idGenerator: (request) => this.#newId(request),
          saveUninitialized: false,
          rolling: false,
          cookieName,
          cookiePrefix,
          cookie: { ...cookie },
        },
        done,
      )
    }
    await fastify.register(fp(plugin, { name: '@fastify/session', dependencies: ['@fastify/cookie'] }))
    this.#check()
  }

  sign(id: string): string {
    const opening = this.#opening
    return opening?.id === id && !opening.renew ? opening.cookie : this.#signer.sign(id)
  }

  /** The id in a cookie that was signed here. */
  verify(cookie: string): Signed | undefined {
    const known = this.#verified.get(cookie)
    if (known) return known
    const { valid, renew, value } = this.#signer.unsign(cookie)
    if (!valid || value === null) return undefined
    const signed = { id: value, key: keyOf(value), cookie, renew }
    this.#verified.add(signed)
    return signed
  }

  /** Whether an id was made for this request, and for nobody before. */
  isFresh(request: FastifyRequest, id: string): boolean {
    return this.#fresh.get(request)?.has(id) ?? false
  }

  /** What the session object that is being set was read from. */
  get delivered(): Record | undefined {
    return this.#delivered?.record
  }

  /** Its fields as they were parsed. */
  get fields(): Fields {
    return this.#delivered?.fields ?? NO_FIELDS
  }

  /** Sets `request.session` to a session with these fields, or to a new one. */
  open(request: FastifyRequest, signed?: Signed, opened?: Opened): void {
    if (signed && opened && this.#template?.complete) {
      const signature = signed.renew ? this.#signer.sign(signed.id) : signed.cookie
      const session = this.#template.make(request, signed.id, signature, opened.fields)
      this.#deliver(opened, () => {
        request.session = session
      })
      return
    }
    this.#opening = signed && opened && { ...signed, ...opened }
    try {
      // The store answers at once, so all of this happens before it returns.
      this.#decrypt?.(this.#opening?.cookie ?? '', request, raise)
    } finally {
      this.#opening = undefined
    }
  }

  #unsign(cookie: string): { valid: boolean; renew: boolean; value: string | null } {
    const opening = this.#opening
    if (opening?.cookie === cookie) return { valid: true, renew: opening.renew, value: opening.id }
    return this.#signer.unsign(cookie)
  }

  #newId(request: FastifyRequest | undefined): string {
    const id = newId()
    if (request) {
      const ids = this.#fresh.get(request)
      if (ids) ids.add(id)
      else this.#fresh.set(request, new Set([id]))
    }
    return id
  }

  #store(): SessionStore {
    return {
      get: (id, callback) => {
        const deliver = (opened: Opened | undefined): void =>
          this.#deliver(opened, () => callback(null, (opened?.fields ?? null) as never))
        if (this.#opening?.id === id) deliver(this.#opening)
        else settle(this.#desk.read(id), (error, opened) => (error ? callback(error) : deliver(opened)))
      },
      set: (id, session, callback) => {
        const request = this.#template?.requestOf(session)
        const fresh = request !== undefined && this.isFresh(request, id)
        settle(this.#desk.write(id, session as FastifySessionObject, request, fresh), callback)
      },
      destroy: (id, callback) => settle(this.#desk.end(id), callback),
    }
  }

  #deliver(opened: Opened | undefined, set: () => void): void {
    this.#delivered = opened
    try {
      set()
    } finally {
      this.#delivered = undefined
    }
  }

  /** Tries what the rest relies on, so that another version of `@fastify/session` fails at the start and not in a request. */
  #check(): void {
    const probe: { protocol: string; session?: FastifySessionObject } = { protocol: 'http' }
    this.open(probe as unknown as FastifyRequest)
    const { session } = probe
    if (!session) throw new IncompatibleError('it does not make a session at once')
    const template = new Template(session, (one) => this.#desk.modified(one, template.requestOf(one)))
    if (template.requestOf(session) !== (probe as unknown))
      throw new IncompatibleError('a session does not know its request')
    const signed = { id: 'id', key: '', cookie: 'cookie', renew: false }
    const record = { key: '', owner: '', created: 0, end: 0, seen: 0, data: new Map() }
    this.open(probe as unknown as FastifyRequest, signed, { record, fields: { field: 1 } })
    const { sessionId, encryptedSessionId } = probe.session ?? {}
    if (sessionId !== 'id' || encryptedSessionId !== 'cookie' || probe.session?.get('field' as never) !== 1)
      throw new IncompatibleError('a session is not what the store gave')
    this.#template = template
  }
}

const NO_FIELDS: Fields = {}
const GENERATION = 4_096

/** Cookies whose signature was found good lately: two generations, so that those in use stay. */
class Verified {
  #young = new Map<string, Signed>()
  #old = new Map<string, Signed>()

  get(cookie: string): Signed | undefined {
    const young = this.#young.get(cookie)
    if (young) return young
    const old = this.#old.get(cookie)
    if (old) this.add(old)
    return old
  }

  add(signed: Signed): void {
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(signed.cookie, signed)
  }
}

function raise(error?: unknown): void {
  if (error) throw error
}

/** Hands a promise's end to a callback; what the callback throws is not the promise's. */
function settle<T>(promise: Promise<T>, callback: (error: unknown, result?: T) => void): void {
  promise.then(
    (result) => process.nextTick(callback, null, result),
    (error) => process.nextTick(callback, error),
  )
}
