import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import type { ResponseCacheOptions } from '@larder/response-cache'
import { type Opened, open, type T } from './setup.js'

/** What the origin answers with. */
export interface OriginAnswer {
  status?: number
  headers?: Record<string, string | string[]>
  body?: string
}

/** A caching reverse proxy, and the origin before which it stands. */
export interface Proxied extends Opened {
  /** What the origin was asked, in order. */
  readonly asked: IncomingMessage[]
  /** How the origin answers from now on. */
  answer(next: OriginAnswer | ((request: IncomingMessage, response: ServerResponse) => void)): void
}

/** An application that is nothing but a caching reverse proxy, on real sockets. */
export async function openProxy(t: T, options: ResponseCacheOptions = {}): Promise<Proxied> {
  const asked: IncomingMessage[] = []
  let next: OriginAnswer | ((request: IncomingMessage, response: ServerResponse) => void) = {}
  const server = createServer((request, response) => {
    asked.push(request)
    if (typeof next === 'function') return next(request, response)
    response.sendDate = false
    response.writeHead(next.status ?? 200, next.headers ?? {})
    response.end(next.body ?? `answer ${asked.length}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const opened = await open(t, {
    global: true,
    ...options,
    routes: (app) => app.register(httpProxy, { upstream, disableRequestLogging: true }),
  })
  const answer: Proxied['answer'] = (given) => {
    next = given
  }
  return { ...opened, asked, answer }
}

/** A date in the form of header fields, so many seconds from now. */
export function httpDate(seconds: number): string {
  return new Date(Date.now() + seconds * 1_000).toUTCString()
}
