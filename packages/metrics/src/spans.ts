import type { CacheEvent } from '@larder/cache-aside'
import type { EventsEvent } from '@larder/events'
import type { LockEvent } from '@larder/locks'
import type { Book } from './book.js'
import { hear } from './recorder.js'

/** What is used of a `Tracer` of `@opentelemetry/api`. */
export interface Tracer {
  startSpan(name: string, options?: { startTime?: number; attributes?: Record<string, string | number> }): Span
}

interface Span {
  setStatus(status: { code: number }): unknown
  end(endTime?: number): void
}

/** `SpanStatusCode.ERROR`. */
const ERROR = 2

/**
 * Makes spans of what takes long: loads, waits for locks, handlers of consumer groups. They are children of the span that is active
 * where it ended, which is that of the request. Hits make none: a span costs more than a hit. Returns the end.
 */
export function trace(tracer: Tracer, book: Book): () => void {
  const span = (name: string, took: number, attributes: Record<string, string | number>, failed: boolean): void => {
    const ended = Date.now()
    const span = tracer.startSpan(name, { startTime: ended - took, attributes })
    if (failed) span.setStatus({ code: ERROR })
    span.end(ended)
  }
  const ends = [
    hear<CacheEvent>(book, 'cache', (event) => {
      if (event.type !== 'load') return
      span('cache.load', event.milliseconds, { 'larder.cache': event.cache }, event.failed)
    }),
    hear<LockEvent>(book, 'locks', (event) => {
      if (event.type !== 'acquired' && event.type !== 'failed') return
      const attributes = { 'larder.locks': event.locks, 'larder.lock.kind': event.kind }
      span('lock.acquire', event.waited, attributes, event.type === 'failed')
    }),
    hear<EventsEvent>(book, 'events', (event) => {
      if (event.type !== 'handled' && event.type !== 'retried') return
      const attributes = { 'larder.events': event.events, 'larder.events.attempt': event.attempt }
      span('events.handle', event.took, attributes, event.type === 'retried')
    }),
  ]
  return () => {
    for (const end of ends) end()
  }
}
