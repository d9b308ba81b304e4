export type { Duration, Key, KeyPart, RedisOption } from '@larder/core'
export type { Batch, Flush } from './batch.js'
export { type WriteBehindEvent, writeBehindChannel } from './channel.js'
export type { Counter } from './counter.js'
export type { DeadLetter, DeadLetters } from './dead-letters.js'
export type { EntryKey, FlushOptions } from './entry-buffer.js'
export {
  AbandonedError,
  ClosedError,
  DeadLetterError,
  FullError,
  InDoubtError,
  InvalidValueError,
  NameTakenError,
  TimeoutError,
  UnavailableError,
} from './errors.js'
export type { BufferOptions, CounterOptions, QueueOptions, WriteBehindOptions } from './options.js'
export {
  type WriteBehindInstances,
  writeBehind,
  writeBehind as default,
  writeBehind as 'module.exports',
} from './plugin.js'
export type { Queue } from './queue.js'
export type { Acknowledged } from './slots.js'
export type { Coalesce } from './store.js'
export type { WriteBehind } from './write-behind.js'
