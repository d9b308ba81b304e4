import type { FastifyReply, FastifyRequest } from 'fastify'

/** What a store is not told by `@fastify/rate-limit` about the request that it counts. */
export interface CountedRequest {
  readonly key: string
  readonly request: FastifyRequest
  /** Where header fields go; `undefined` for a request that another application makes up. */
  readonly reply: FastifyReply | undefined
  readonly cost: number
  /** Whether the key is the session's user. */
  readonly user: boolean
}

/**
 * Hands requests over from `timeWindow` to the store. `@fastify/rate-limit` awaits `timeWindow()` as the last thing before it calls
 * the store. Whoever announces a request does so in the very step that settles what is awaited, so the continuations, which call
 * the store, run in the order of the announcements: jobs of promises are first in, first out (ECMA-262, HostEnqueuePromiseJob).
 */
export class Requests {
  #announced: CountedRequest[] = []

  /** To be called in the step that returns the window. */
  announce(request: CountedRequest): void {
    this.#announced.push(request)
  }

  /** The request that the store is called for. */
  take(key: string): CountedRequest | undefined {
    const next = this.#announced.shift()
    if (next === undefined || next.key === key) return next
    // Never happens while the plugin awaits nothing after `timeWindow`. Better no request than another one's.
    this.#announced = []
    return undefined
  }
}
