import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'

/** What a handler has sent, before it goes out. */
export type Payload = string | Buffer | Readable | null | undefined

/** What is to be sent, with the status and fields of a `Response`; a stream of the web as one of Node. */
export function unpack(reply: FastifyReply, sent: unknown): Payload {
  if (Object.prototype.toString.call(sent) === '[object Response]') {
    const response = sent as globalThis.Response
    reply.code(response.status)
    response.headers.forEach((value, name) => void reply.header(name, value))
    return response.body ? Readable.fromWeb(response.body as never) : null
  }
  if (typeof (sent as { getReader?: unknown } | null)?.getReader === 'function') return Readable.fromWeb(sent as never)
  if (typeof (sent as { pipe?: unknown } | null)?.pipe === 'function' && !(sent instanceof Readable))
    return new Readable().wrap(sent as NodeJS.ReadableStream)
  return sent as Payload
}

/** Ends a stream that nobody reads; whatever it says to that. */
export function discard(payload: Payload): void {
  if (payload instanceof Readable) payload.on('error', () => {}).destroy()
}
