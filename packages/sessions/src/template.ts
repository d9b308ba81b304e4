import type { FastifySessionObject } from '@fastify/session'
import type { FastifyRequest } from 'fastify'
import type { Fields } from './record.js'

/** The own symbols of a session of `@fastify/session`, by their descriptions. */
const SYMBOLS = [
  'sessionStore',
  'generateId',
  'cookieOpts',
  'cookieSignerKey',
  'request',
  'sessionId',
  'encryptedSessionId',
  'saved',
] as const

interface Loose {
  [key: string | symbol]: unknown
}

/**
 * Makes sessions of `@fastify/session` without its constructor, which signs the id again and hashes all fields twice a request to
 * tell later whether they changed: a third of what a session costs. `isModified()` compares with what was read instead.
 */
export class Template {
  /** Whether the installed version is built as expected; else its constructor is used. */
  readonly complete: boolean
  readonly #requestKey: symbol | undefined
  readonly #make: (request: FastifyRequest, id: string, signature: string) => Loose

  /** @param sample a new session, whatever its request */
  constructor(sample: FastifySessionObject, modified: (session: FastifySessionObject) => boolean) {
    const own = Object.getOwnPropertySymbols(sample)
    const keys = SYMBOLS.map((name) => own.find(({ description }) => description === name))
    this.complete = keys.every((key) => key !== undefined)
    const [store, generate, options, signer, requestKey, idKey, signatureKey, saved] = keys as symbol[]
    this.#requestKey = requestKey
    const prototype = Object.create(Object.getPrototypeOf(sample), {
      isModified: {
        value(this: FastifySessionObject) {
          return modified(this)
        },
      },
    })
    const loose = sample as unknown as Loose
    const Cookie = sample.cookie.constructor as new (options: unknown, request: FastifyRequest) => object
    function Made(this: Loose, request: FastifyRequest, id: string, signature: string): void {
      this[store as symbol] = loose[store as symbol]
      this[generate as symbol] = loose[generate as symbol]
      this[options as symbol] = loose[options as symbol]
      this[signer as symbol] = loose[signer as symbol]
      this[requestKey as symbol] = request
      this[idKey as symbol] = id
      this[signatureKey as symbol] = signature
      this[saved as symbol] = false
      this.cookie = new Cookie(loose[options as symbol], request)
    }
    Made.prototype = prototype
    const Loaded = Made as unknown as new (request: FastifyRequest, id: string, signature: string) => Loose
    this.#make = (request, id, signature) => new Loaded(request, id, signature)
  }

  /** The request that a session was made for. */
  requestOf(session: object): FastifyRequest | undefined {
    return this.#requestKey && ((session as Loose)[this.#requestKey] as FastifyRequest | undefined)
  }

  /** A session as it comes from a store. */
  make(request: FastifyRequest, id: string, signature: string, fields: Fields): FastifySessionObject {
    const session = this.#make(request, id, signature)
    for (const name in fields) session[name] = fields[name]
    return session as unknown as FastifySessionObject
  }
}
