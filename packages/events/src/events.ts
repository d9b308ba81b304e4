import { type Key, logicalKey } from '@larder/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Sendable } from './event-stream.js'
import { resolveStream, resolveTopic, type StreamOptions, type SubscribeOptions, type TopicOptions } from './options.js'
import { type SseContext, type SseOptions, sendEvents } from './sse.js'
import { Stream } from './stream.js'
import { type Subscription, Topic } from './topic.js'
import type { Workshop } from './workshop.js'

/** `fastify.events`: topics and streams, over all processes that use the same Redis and namespace. */
export class Events {
  readonly #workshop: Workshop

  /** Register the plugin instead. */
  constructor(workshop: Workshop) {
    this.#workshop = workshop
  }

  /** A topic with a schema: delivered at most once, to whoever listens. */
  topic<Input = unknown, Output = Input>(name: Key, options?: TopicOptions<Input, Output>): Topic<Input, Output> {
    return new Topic(logicalKey(name), this.#workshop, resolveTopic(options))
  }

  /** {@link Topic.publish} */
  publish(topic: Key, payload: unknown): Promise<number> {
    return this.topic(topic).publish(payload)
  }

  /** {@link Topic.subscribe} */
  subscribe<T = unknown>(topic: Key, options?: SubscribeOptions): Subscription<T> {
    return this.topic<T>(topic).subscribe(options)
  }

  /**
   * A stream: kept, resumable, to be consumed at least once.
   *
   * @example
   * const orders = fastify.events.stream('orders', { maxLength: 100_000, schema: Order })
   */
  stream<Input = unknown, Output = Input>(name: Key, options?: StreamOptions<Input, Output>): Stream<Input, Output> {
    return new Stream(logicalKey(name), this.#workshop, resolveStream(options))
  }

  /**
   * Answers a request with server-sent events, for as long as the browser stays: those of the stream or topic that `open` opens. A
   * browser that comes back says which event it had last, and a stream is read on from there; where that is gone an event named
   * `gap` is sent first. To be returned by the handler.
   *
   * @example
   * app.get('/events/orders', (request, reply) =>
   *   app.events.sse(request, reply, ({ lastEventId, signal }) => orders.read({ after: lastEventId, signal }), { event: 'order' }))
   */
  sse<Item extends Sendable>(
    request: FastifyRequest,
    reply: FastifyReply,
    open: (context: SseContext) => AsyncIterable<Item>,
    options?: SseOptions<Item>,
  ): FastifyReply {
    return sendEvents(this.#workshop, { request, reply }, { open, options })
  }
}
