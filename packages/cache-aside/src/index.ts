export {
  type Codec,
  json,
  type Key,
  type KeyPart,
  type RedisOption,
  type SchemaResult,
  type StandardSchema,
} from '@larder/core'
export { Cache, type Entry, type LocalEntry, type NamespaceOptions } from './cache.js'
export type { CallOptions, EntryOptions, Tags, Timeout } from './call-options.js'
export { type CacheEvent, cacheChannel } from './channel.js'
export type { State } from './copy.js'
export {
  ClosedError,
  LoadManyError,
  LoadTimeoutError,
  NotSerializableError,
  TagsNotRegisteredError,
  ValueTooLargeError,
} from './errors.js'
export type { Load, LoadContext, StaleWindows } from './load.js'
export type { LoadMany } from './many.js'
export type { CacheAsideOptions } from './options.js'
export { type CacheInstances, cacheAside, cacheAside as default, cacheAside as 'module.exports' } from './plugin.js'
export type { WrapOptions, Wrapped } from './wrap.js'
export type { Write } from './write.js'
