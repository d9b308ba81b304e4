import type { Cluster, Redis } from 'ioredis'
import type { RedisClient } from './breaker.js'

/** Whether a client speaks to a Redis Cluster. */
export function isCluster(client: RedisClient): client is Cluster {
  return 'nodes' in client
}

/** The connections over which all keys can be reached: one, or one a master of a Cluster. */
export function masters(client: RedisClient): Redis[] {
  return isCluster(client) ? client.nodes('master') : [client]
}

/** What ioredis puts in front of every key that this client is given. */
export function keyPrefixOf(client: RedisClient): string {
  return client.options.keyPrefix ?? ''
}
