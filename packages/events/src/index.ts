export type { Duration, Key, KeyPart, RedisOption, SchemaResult, StandardSchema } from '@larder/core'
export { type Carrier, type EventsEvent, eventsChannel, type GapReason } from './channel.js'
export type { Consumer } from './consumer.js'
export type { DeadLetter, DeadLetters, ListOptions } from './dead-letters.js'
export { InvalidPayloadError, UnavailableError } from './errors.js'
export type { Sendable } from './event-stream.js'
export type { Events } from './events.js'
export type { Handled, Handler } from './handler.js'
export type {
  ConsumeOptions,
  EventsOptions,
  PayloadOptions,
  ReadOptions,
  StreamOptions,
  SubscribeOptions,
  TopicOptions,
} from './options.js'
export { type EventsInstances, events, events as default, events as 'module.exports' } from './plugin.js'
export type { Reading, StreamEntry } from './reading.js'
export type { Guarantee, Source } from './source.js'
export type { SseContext, SseOptions } from './sse.js'
export type { Stream } from './stream.js'
export type { Message, Subscription, Topic } from './topic.js'
export type { Invalid, OnGap, OnInvalid } from './workshop.js'
