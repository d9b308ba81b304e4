export { Breaker, type Log, type RedisClient } from './breaker.js'
export type { Argument, Caller, Reply } from './caller.js'
export {
  type CommandOutcome,
  type FeedEvent,
  feedChannel,
  larderChannel,
  type RedisEvent,
  redisChannel,
} from './channels.js'
export { isCluster, keyPrefixOf, masters } from './client.js'
export { Clock, type TimeSource } from './clock.js'
export { type Codec, json } from './codec.js'
export { clientsOf, isClient, type RedisOption, resolveClient } from './connection.js'
export { decorate } from './decorate.js'
export { type Duration, parseDuration } from './duration.js'
export type { Epoch, EpochStore, TagEpochs, TagRecord } from './epoch/epoch-store.js'
export { Epochs, type Verdict } from './epoch/epochs.js'
export { MemoryEpochStore } from './epoch/memory-epoch-store.js'
export { type Invalidation, Outbox } from './epoch/outbox.js'
export { RedisEpochStore } from './epoch/redis-epoch-store.js'
export { encodeTag, namespaceTag, type Tag } from './epoch/tag.js'
export {
  DuplicateNameError,
  InvalidKeyError,
  InvalidOptionError,
  RedisTimeoutError,
  RedisUnavailableError,
} from './errors.js'
export type { Feed, FeedListener } from './feed/feed.js'
export { localFeed } from './feed/local.js'
export { RedisFeed } from './feed/redis-feed.js'
export { Fence } from './fence.js'
export { Gate, type GateOptions, READ_AT_ONCE } from './gate.js'
export { Heartbeat, type HeartbeatOptions } from './heartbeat.js'
export { escapeKey, escapePattern, type Key, type KeyPart, logicalKey, unescapeKey } from './key.js'
export { Namespace, type NamespaceListener, type NamespaceOptions } from './namespace.js'
export { invalidOption, OptionReader } from './options.js'
export { isSchema, type SchemaResult, type StandardSchema } from './schema.js'
export { loadScript, type Script } from './script.js'
export { parseSize, type Size } from './size.js'
export { answerState, askState, type State, type StateRequest, stateChannel } from './state.js'
export { attachTags, type TagRegistry } from './tag-registry.js'
