import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { LoadContext } from '@larder/cache-aside'
import type { FastifyInstance } from 'fastify'
import { AbandonedError, type Lead } from './lead.js'

/** Tells a request of ours, by a word that is used once and that nobody else knows. */
export const REVALIDATION = 'larder-revalidation'

/** Never sent on behalf of somebody else, or not true of a request that is our own. */
const NOT_COPIED = [
  'authorization',
  'cache-control',
  'connection',
  'content-length',
  'cookie',
  'if-modified-since',
  'if-none-match',
  'pragma',
  'transfer-encoding',
]

/** What is asked for anew. */
export interface Stale {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly address: string | undefined
  /** Fields that are sent although they tell who asked, since the response was chosen by them. */
  readonly keep: readonly string[]
}

/** A request of ours under way. */
export interface Job {
  readonly url: string
  readonly lead: Lead
}

/** Asks the application itself for responses that have become stale, in the background. */
export class Revalidations {
  readonly #app: FastifyInstance
  readonly #jobs = new Map<string, Job>()

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  /** Sends a request through the application: hooks, guards, handler. What it brings, the lead tells. */
  run({ url, headers, address, keep }: Stale, lead: Lead, { signal }: LoadContext): void {
    const word = randomUUID()
    const copied: IncomingHttpHeaders = { 'user-agent': undefined, ...headers }
    for (const name of NOT_COPIED) if (!keep.includes(name)) delete copied[name]
    this.#jobs.set(word, { url, lead })
    this.#app
      .inject({
        method: 'GET',
        // So that a path of two slashes is no host.
        url: `http://localhost${url}`,
        headers: { ...copied, [REVALIDATION]: word } as unknown as Record<string, string>,
        ...(address === undefined ? {} : { remoteAddress: address }),
        signal,
      })
      .catch(() => {})
      .finally(() => {
        this.#jobs.delete(word)
        // A guard refused it, or it never came to the route.
        if (lead.open) lead.fail(new AbandonedError('The revalidation did not reach the handler'))
      })
  }

  /** What a request is to bring, if it is ours and came as it was sent. */
  take(headers: IncomingHttpHeaders, url: string): Job | undefined {
    const word = headers[REVALIDATION]
    const job = typeof word === 'string' ? this.#jobs.get(word) : undefined
    if (job === undefined) return undefined
    this.#jobs.delete(word as string)
    delete headers[REVALIDATION]
    return job.url === url ? job : undefined
  }
}
