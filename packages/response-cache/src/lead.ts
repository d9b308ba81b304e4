import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { LoadContext } from '@larder/cache-aside'
import type { FastifyReply } from 'fastify'
import { textOf } from './fields.js'
import type { Kept, Page } from './page.js'

/** The request that ran the handler ended without a response: whoever waited asks again. */
export class AbandonedError extends Error {}

/** The handler failed: nothing is kept, and whoever waited asks it himself. */
export class FailedError extends Error {}

/** Where a response is looked for. */
export interface Place {
  readonly key: string
  /** What chose it. */
  readonly selection: string
  /** What its selection went by: `undefined` where nothing is known yet of what it varies by. */
  readonly vary?: readonly string[]
}

/** How long nobody waits for a response that could not be kept, in milliseconds. */
const PASS_TIME = 5_000

/** The request that runs the handler on behalf of all who wait for the same. */
export class Lead {
  readonly context: LoadContext
  readonly place: Place
  /** What is revalidated. */
  readonly stale: Page | undefined
  readonly #resolve: (kept: Kept) => void
  readonly #reject: (error: Error) => void
  #open = true

  constructor(place: Place, context: LoadContext, resolve: (kept: Kept) => void, reject: (error: Error) => void) {
    this.place = place
    this.context = context
    const stale = context.stale as Kept | undefined
    this.stale = stale?.kind === 'page' && stale.head.selection === place.selection ? stale : undefined
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Whether nothing has been told yet. */
  get open(): boolean {
    return this.#open
  }

  /** Keeps what came of it. */
  keep(kept: Kept): void {
    this.#open = false
    this.#resolve(kept)
  }

  /** It cannot be kept: for a while nobody waits. */
  pass(): void {
    if (!this.#open) return
    this.context.setTtl(PASS_TIME)
    this.keep({ kind: 'pass' })
  }

  fail(error: Error): void {
    this.#open = false
    this.#reject(error)
  }

  /** Gives up when the connection ends before the response did, and passes when the handler takes the reply for itself. */
  watch(reply: FastifyReply, raw: ServerResponse): void {
    raw.once('close', () => {
      if (this.#open) this.fail(new AbandonedError('The client left before there was a response'))
    })
    const { hijack } = reply
    reply.hijack = () => {
      this.pass()
      return hijack.call(reply)
    }
  }

  /** Takes the client's conditions from the request, which are answered here, and asks for what changed since `stale`. */
  condition(headers: IncomingHttpHeaders): void {
    delete headers['if-none-match']
    delete headers['if-modified-since']
    const { etag, 'last-modified': modified } = this.stale?.head.validators ?? {}
    if (etag !== undefined) headers['if-none-match'] = textOf(etag) as string
    if (modified !== undefined) headers['if-modified-since'] = textOf(modified) as string
  }
}
