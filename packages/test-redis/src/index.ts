export { findServerBinary } from './binary.js'
export { type ClientOptions, type CommandCounts, RedisEndpoint } from './endpoint.js'
export { uniqueNamespace } from './namespace.js'
export { type RedisServer, type RedisServerOptions, startRedis } from './server.js'
