import { Signer } from '@fastify/cookie'
import fastifySession, { type FastifySessionObject, type SessionStore } from '@fastify/session'
import type { FastifyInstance, FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { IncompatibleError } from './errors.js'
import { newId } from './identity.js'
import type { CookieOptions } from './options.js'
import type { Record } from './record.js'

/** What a session object is made of: the record that its fields were read from. */
export interface Opened {
  readonly record: Record
  readonly fields: object
}

/** Who does what `@fastify/session` asks its store for. */
export interface Desk {
  /** What is behind an id, for `session.reload()` and `decryptSession()`. */
  read(id: string): Promise<Opened | undefined>
  /** @param fresh whether the session was made by this request rather than read */
  write(id: string, session: FastifySessionObject, request: FastifyRequest | undefined, fresh: boolean): Promise<void>
  end(id: string): Promise<void>
}

/** Options of a {@link Bridge}. */
export interface BridgeOptions {
  readonly secret: readonly string[]
  readonly cookieName: string
  readonly cookiePrefix: string
  readonly cookie: CookieOptions
}

/** A session's id with its signature, as the cookie carries it. */
export interface Signed {
  readonly id: string
  readonly cookie: string
  /** Signed with a secret that is on its way out. */
  readonly renew: boolean
}

type Decrypt = (cookie: string, request: FastifyRequest, callback: (error?: unknown) => void) => void

/**
 * The seam to `@fastify/session`: it makes the `request.session` objects and their methods; when to load and when to save is ours,
 * so its two hooks are not installed. Why: docs/decisions/0008-sessions-around-fastify-session.md.
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
  #delivered: Record | undefined
  #requestKey: symbol | undefined

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
    const { valid, renew, value } = this.#signer.unsign(cookie)
    return valid ? { id: value as string, cookie, renew } : undefined
  }

  /** What the session object that is being set was read from. */
  get delivered(): Record | undefined {
    return this.#delivered
  }

  /** Sets `request.session` to a session with these fields, or to a new one. */
  open(request: FastifyRequest, signed?: Signed, opened?: Opened): void {
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
        const deliver = (opened: Opened | undefined): void => {
          this.#delivered = opened?.record
          try {
            callback(null, (opened?.fields ?? null) as never)
          } finally {
            this.#delivered = undefined
          }
        }
        if (this.#opening?.id === id) deliver(this.#opening)
        else settle(this.#desk.read(id), (error, opened) => (error ? callback(error) : deliver(opened)))
      },
      set: (id, session, callback) => {
        const request = this.#requestOf(session)
        const fresh = request !== undefined && (this.#fresh.get(request)?.has(id) ?? false)
        settle(this.#desk.write(id, session as FastifySessionObject, request, fresh), callback)
      },
      destroy: (id, callback) => settle(this.#desk.end(id), callback),
    }
  }

  #requestOf(session: object): FastifyRequest | undefined {
    return this.#requestKey && (session as { [key: symbol]: FastifyRequest })[this.#requestKey]
  }

  /** Tries what the rest relies on, so that another version of `@fastify/session` fails at the start and not in a request. */
  #check(): void {
    const probe: { protocol: string; session?: FastifySessionObject } = { protocol: 'http' }
    this.open(probe as unknown as FastifyRequest)
    const { session } = probe
    if (!session) throw new IncompatibleError('it does not make a session at once')
    this.#requestKey = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'request')
    if (this.#requestOf(session) !== (probe as unknown))
      throw new IncompatibleError('a session does not know its request')
    const signed = { id: 'id', cookie: 'cookie', renew: false }
    const record = { key: '', owner: '', created: 0, end: 0, seen: 0, data: new Map() }
    this.open(probe as unknown as FastifyRequest, signed, { record, fields: { field: 1 } })
    const { sessionId, encryptedSessionId } = probe.session ?? {}
    if (sessionId !== 'id' || encryptedSessionId !== 'cookie' || probe.session?.get('field' as never) !== 1)
      throw new IncompatibleError('a session is not what the store gave')
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
