import { type Duration, OptionReader } from '@larder/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isEntryId } from './entry-id.js'
import { EventStream, type Sendable } from './event-stream.js'
import { Source } from './source.js'
import type { Workshop } from './workshop.js'

/** Where a browser was, and when it is gone. */
export interface SseContext {
  /** Id of the last event that it had, as it says: `Last-Event-ID`, or `lastEventId` of the query. `undefined` if it is none. */
  readonly lastEventId: string | undefined
  /** Aborted when the response is over. */
  readonly signal: AbortSignal
}

/** Options of {@link Events.sse}. */
export interface SseOptions<Item extends Sendable = Sendable> {
  /** Name of the events: what a browser listens for. Default: none, which is `message`. */
  event?: string
  /** What is sent as `data`, as JSON. Default: the payload. */
  data?: (item: Item) => unknown
  /** A comment is sent when nothing else was for so long, so that nobody on the way takes the connection for dead. Default `'15s'`. */
  heartbeat?: Duration
  /** A client that takes nothing for so long although something waits for it is dropped. Default `'1m'`. */
  stallTimeout?: Duration
  /** How long a browser waits until it comes back. Default: as it likes. */
  retry?: Duration
}

/** Answers a request with events: see {@link Events.sse}. */
export function sendEvents<Item extends Sendable>(
  workshop: Workshop,
  exchange: { request: FastifyRequest; reply: FastifyReply },
  parts: { open: (context: SseContext) => AsyncIterable<Item>; options: SseOptions<Item> | undefined },
): FastifyReply {
  const { request, reply } = exchange
  const reader = new OptionReader(parts.options)
  const event = reader.value('event', 'a non-empty string of one line', isLine, undefined)
  const data = reader.function<(item: Item) => unknown, undefined>('data', undefined)
  const heartbeat = reader.duration('heartbeat', 15_000, 10)
  const stallTimeout = reader.duration('stallTimeout', 60_000, 10)
  const retry = reader.duration('retry', undefined, 0)
  reader.done()
  reply.header('content-type', 'text/event-stream')
  // Nothing on the way may keep it, compress it as a whole, or wait for its end.
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-cache, no-transform')
  reply.header('x-accel-buffering', 'no')
  if (request.method === 'HEAD') return reply.send('')
  const gone = new AbortController()
  const items = parts.open({ lastEventId: lastEventId(request), signal: gone.signal })
  let forget = (): void => {}
  const stream = new EventStream(items, {
    event,
    data,
    heartbeat,
    stallTimeout,
    retry,
    ready: items instanceof Source ? items.ready : undefined,
    onEnd: () => {
      gone.abort()
      forget()
    },
  })
  forget = workshop.opened({
    close: () => {
      hangUp(request, reply)
      gone.abort()
    },
  })
  return reply.send(stream)
}

/**
 * Ends the connection after the response. It was begun as one to keep alive, so an application that closes would wait for the
 * browser to give it up, which takes a minute.
 */
function hangUp({ raw: { httpVersionMajor, socket } }: FastifyRequest, { raw }: FastifyReply): void {
  // `inject` has no connection, and that of HTTP/2 is not ours to end.
  if (httpVersionMajor === 1) raw.once('finish', () => socket.destroySoon?.())
}

function lastEventId(request: FastifyRequest): string | undefined {
  const { lastEventId: asked } = (request.query ?? {}) as { lastEventId?: unknown }
  const said = request.headers['last-event-id'] ?? asked
  return isEntryId(said) ? said : undefined
}

function isLine(value: unknown): value is string {
  return typeof value === 'string' && /^[^\r\n\0]+$/.test(value)
}
