import type { FastifyReply, FastifyRequest } from 'fastify'
import { dress, tell } from './answer.js'
import type { Happened } from './cache-status.js'
import { publish, type ResponseResult, responseChannel } from './channel.js'
import type { Desk } from './desk.js'
import type { Page } from './page.js'
import { targetOf } from './question.js'
import { ageOf, type FoundPage, ttlOf } from './reuse.js'
import { conditionsOf } from './validators.js'

/** An answer by a page. */
export interface Served {
  readonly found: FoundPage
  readonly happened: Happened
  readonly result: ResponseResult
  /** When the request came, if anybody listens. */
  readonly begun: number | undefined
}

/** What Fastify keeps on requests and replies, by the names of its symbols. */
const CONTEXT = 'fastify.context'
const TRAILERS = 'fastify.reply.trailers'

/** A page on its way through the hooks of others. */
interface Sent {
  readonly status: number
  readonly encoding: string | number | string[] | undefined
  /** `null` for none. */
  readonly body: string | Buffer | null
  /** It has no `Content-Type`, which Fastify would make up. */
  readonly bare: boolean
}

const SENT: unique symbol = Symbol('larder.response-cache.sent')

declare module 'fastify' {
  interface FastifyRequest {
    [SENT]?: Sent | undefined
  }
}

/** Where the pages of one route go out. */
export class Outlet {
  /** Pattern of the route. */
  readonly pattern: string
  /** The symbol of trailers, where hits need not pass through Fastify; `undefined` until the first one. */
  #direct: symbol | false | undefined

  constructor(pattern: string) {
    this.pattern = pattern
  }

  /** Sends a page, or 304 to a client that has it. */
  serve(desk: Desk, request: FastifyRequest, reply: FastifyReply, { found, happened, result, begun }: Served): void {
    const conditions = conditionsOf(request.headers)
    if (
      conditions === undefined &&
      happened.hit &&
      !desk.options.statusKey &&
      this.#isDirect(request, reply, found.page)
    ) {
      const lines = found.page.linesAt(ageOf(found), ttlOf(found), desk.options.status)
      if (lines !== undefined) {
        write(reply, found.page, lines)
        if (responseChannel.hasSubscribers) this.#publish(desk, result, begun)
        return
      }
    }
    const body = dress(reply, found, conditions)
    this.tell(desk, request, reply, happened, result, begun)
    request[SENT] = {
      status: reply.statusCode,
      encoding: reply.getHeader('content-encoding'),
      body: body ?? null,
      bare: found.page.head.fields['content-type'] === undefined,
    }
    reply.send(body)
  }

  /**
   * What goes out of a page, given what the hooks `onSend` before ours made of it: they made it once before it was kept, so that it
   * is not made twice. Another status or coding is theirs, and so is what they say to it.
   */
  leave(request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
    const sent = request[SENT]
    if (sent === undefined || sent.status !== reply.statusCode) return payload
    if (sent.encoding !== reply.getHeader('content-encoding')) return payload
    if (sent.bare) reply.removeHeader('content-type')
    return sent.body
  }

  /** An error is sent instead. */
  forget(request: FastifyRequest): void {
    request[SENT] = undefined
  }

  /** The field and the event of how a request was answered. */
  tell(
    desk: Desk,
    request: FastifyRequest,
    reply: FastifyReply,
    happened: Happened,
    result: ResponseResult | 'refresh',
    begun: number | undefined,
  ): void {
    const { status, statusKey } = desk.options
    tell(reply, status, statusKey ? { ...happened, key: targetOf(request) } : happened)
    if (responseChannel.hasSubscribers) this.#publish(desk, result, begun)
  }

  #publish({ name, app }: Desk, result: ResponseResult | 'refresh', begun: number | undefined): void {
    const now = performance.now()
    const where = { cache: name, app, route: this.pattern, milliseconds: now - (begun ?? now) }
    publish(result === 'refresh' ? { type: result, ...where } : { type: 'request', ...where, result })
  }

  /**
   * Whether nobody but this plugin has a say in what goes out: no other hook looks at what is sent, none before has set a field or a
   * trailer. Where Fastify does not tell, everything passes through it.
   */
  #isDirect(request: FastifyRequest, reply: FastifyReply, { head, body }: Page): boolean {
    this.#direct ??= trailersOfAlone(request, reply)
    if (this.#direct === false || (reply as unknown as Record<symbol, unknown>)[this.#direct] !== null) return false
    if (request.method !== 'GET' || request.raw.httpVersionMajor !== 1) return false
    if (body.length === 0 || head.status === 204 || head.status === 304) return false
    for (const _ in reply.getHeaders()) return false
    return true
  }
}

/** The symbol of trailers on replies of a route that has no hook `onSend` but ours. */
function trailersOfAlone(request: FastifyRequest, reply: FastifyReply): symbol | false {
  const context = symbolOf(request, CONTEXT)
  const trailers = symbolOf(reply, TRAILERS)
  if (context === undefined || trailers === undefined) return false
  const { onSend } = (request as unknown as Record<symbol, { onSend?: unknown }>)[context] ?? {}
  return Array.isArray(onSend) && onSend.length === 1 && trailers
}

function symbolOf(of: object, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(of).find(({ description }) => description === name)
}

/** Sends a page past Fastify, which has it in its fields for whoever looks at them afterwards. */
function write(reply: FastifyReply, { head, body, ascii }: Page, lines: string[]): void {
  for (let i = 0; i < lines.length; i += 2) reply.header(lines[i] as string, lines[i + 1])
  // Throws before anything is taken from Fastify.
  reply.raw.writeHead(head.status, lines)
  reply.hijack()
  if (ascii) reply.raw.end(body, 'latin1')
  else reply.raw.end(body)
}
