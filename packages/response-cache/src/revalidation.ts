import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { LoadContext } from '@larder/cache-aside'
import type { FastifyInstance, FastifyRequest, InjectOptions, LightMyRequestResponse } from 'fastify'
import { type Fields, toFields } from './fields.js'
import { AbandonedError, type Lead } from './lead.js'
import type { Question } from './question.js'

/** Tells a request of ours, by a word that is used once and that nobody else knows. */
export const REVALIDATION = 'larder-revalidation'

const CONDITIONS = ['if-modified-since', 'if-none-match']

/** Never sent on behalf of somebody else, or not true of a request that is our own. */
const NOT_COPIED = [
  'authorization',
  'cache-control',
  'connection',
  'content-length',
  'cookie',
  ...CONDITIONS,
  'pragma',
  'proxy-authorization',
  'transfer-encoding',
]

/** What is asked for anew. */
export interface Stale {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly address: string | undefined
  /** Where and for whom it is kept: what is asked through the application itself comes from no socket of its own. */
  readonly site: string
  readonly user: string | number | undefined
  /** Fields that are sent although they tell who asked, since the response was chosen by them. */
  readonly keep: readonly string[]
}

/** A request of ours under way. */
export interface Job {
  readonly url: string
  readonly site: string
  readonly user: string | number | undefined
  /** What it is brought for; `undefined` for the answer alone. */
  readonly lead?: Lead
}

/** An answer that is not kept. */
export interface Repeated {
  readonly status: number
  readonly fields: Fields
  readonly body: Readable
}

/** Asks the application itself for responses that have become stale, in the background. */
export class Revalidations {
  readonly #app: FastifyInstance
  readonly #jobs = new Map<string, Job>()

  constructor(app: FastifyInstance) {
    this.#app = app
  }

  /** Sends a request through the application: hooks, guards, handler. What it brings, the lead tells. */
  run({ url, headers, address, keep, site, user }: Stale, lead: Lead, { signal }: LoadContext): void {
    const copied = { ...headers }
    for (const name of NOT_COPIED) if (!keep.includes(name)) delete copied[name]
    this.#send({ url, site, user, lead }, copied, { ...from(address), signal })
      .catch(() => {})
      .finally(() => {
        // A guard refused it, or it never came to the route.
        if (lead.open) lead.fail(new AbandonedError('The revalidation did not reach the handler'))
      })
  }

  /** Sends a request once more, without the cache having a part in it. */
  async repeat({ originalUrl: url, headers, socket }: FastifyRequest, { site, user }: Question): Promise<Repeated> {
    const copied = { ...headers }
    for (const name of CONDITIONS) delete copied[name]
    const options: InjectOptions = { ...from(socket.remoteAddress), payloadAsStream: true }
    const response = await this.#send({ url, site, user }, copied, options)
    return { status: response.statusCode, fields: toFields(response.headers), body: response.stream() }
  }

  async #send(job: Job, headers: IncomingHttpHeaders, options: InjectOptions): Promise<LightMyRequestResponse> {
    const word = randomUUID()
    const sent: IncomingHttpHeaders = { 'user-agent': undefined, ...headers, [REVALIDATION]: word }
    // HTTP/2 has fields that are none, and names the host in one of them.
    sent.host ??= headers[':authority'] as string | undefined
    for (const name of Object.keys(sent)) if (name.startsWith(':')) delete sent[name]
    this.#jobs.set(word, job)
    try {
      return await this.#app.inject({
        method: 'GET',
        // So that a path of two slashes is no host.
        url: `http://localhost${job.url}`,
        headers: sent as Record<string, string>,
        ...options,
      })
    } finally {
      this.#jobs.delete(word)
    }
  }

  /** What a request is to bring, if it is ours and came as it was sent. */
  take({ headers, originalUrl, raw }: FastifyRequest): Job | undefined {
    const word = headers[REVALIDATION]
    const job = typeof word === 'string' ? this.#jobs.get(word) : undefined
    if (job === undefined) return undefined
    this.#jobs.delete(word as string)
    delete headers[REVALIDATION]
    if (job.url !== originalUrl) return undefined
    if (job.site.startsWith('https:')) Object.assign(raw.socket, { encrypted: true })
    return job
  }
}

function from(remoteAddress: string | undefined): { remoteAddress?: string } {
  return remoteAddress === undefined ? {} : { remoteAddress }
}
