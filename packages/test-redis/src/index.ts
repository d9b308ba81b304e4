export { findServerBinary } from './binary.js'
export { type ClusterServerOptions, type RedisCluster, type Reshard, startCluster } from './cluster.js'
export { type ClusterClientOptions, ClusterEndpoint } from './cluster-endpoint.js'
export { type ClientOptions, type CommandCounts, RedisEndpoint } from './endpoint.js'
export { findFaketime } from './fake-clock.js'
export { uniqueNamespace } from './namespace.js'
export { pollUntil } from './poll.js'
export { freePort } from './port.js'
export { startProxy, type TcpProxy } from './proxy.js'
export type { Direction } from './proxy-pair.js'
export { type SentinelGroup, type SentinelServerOptions, startSentinel } from './sentinel.js'
export { type RedisServer, type RedisServerOptions, startRedis } from './server.js'
export {
  SHARED_CLUSTER,
  SHARED_REDIS,
  type SharedCluster,
  type SharedRedis,
  sharedCluster,
  sharedRedis,
  startShared,
} from './shared.js'
export { type Site, type SiteOptions, sitesOf } from './sites.js'
export { behind, client, codeOf, far, start, type T } from './test-client.js'
export { type AnyMethods, startWorker, type Worker, type WorkerOptions } from './worker.js'
export { serveWorker, type WorkerMethods, type WorkerService, type WorkerServiceOptions } from './worker-service.js'
