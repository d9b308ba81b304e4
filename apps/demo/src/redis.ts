import { Cluster, Redis } from 'ioredis'
import { hideSecret } from './config.js'
import { within } from './deadline.js'
import { StartError } from './errors.js'

/** One server, or a Cluster. */
export type RedisClient = Redis | Cluster

const CONNECT_LIMIT = 5_000
const PING_LIMIT = 250
const QUIT_LIMIT = 500
const MAX_BACKOFF = 1_000

/** What ioredis rejects with when it has told the reason before, by an event. */
const UNTOLD = /^(Connection is closed|None of startup nodes)/

/**
 * Connects to Redis and waits until it is ready: a wrong address shows at the start. Later the client reconnects by itself.
 *
 * @throws StartError when Redis cannot be reached or refuses us
 */
export async function connectRedis(urls: readonly string[]): Promise<RedisClient> {
  const redis = urls.length === 1 ? single(urls[0]!) : cluster(urls) // as many as counted
  const where = `Redis at ${urls.map(hideSecret).join(', ')} (REDIS_URL)`
  let reason = `no Redis${urls.length > 1 ? ' Cluster' : ''} answers there`
  const note = (error: Error) => {
    const told = describe(error)
    if (!UNTOLD.test(told)) reason = told
  }
  redis.on('error', note).on('node error', note)
  try {
    await within(CONNECT_LIMIT, redis.connect(), () => new Error(reason))
    if (redis instanceof Redis) await refuseClusterNode(redis)
  } catch (error) {
    redis.disconnect()
    if (error instanceof Error) note(error)
    throw new StartError(`Cannot use ${where}: ${reason}`)
  }
  // Later outages are logged by Larder's plugins, once each; unheard, ioredis would print every failed attempt.
  redis
    .off('error', note)
    .off('node error', note)
    .on('error', () => {})
  return redis
}

/** Whether Redis answers now, on a Cluster each master. */
export async function isReady(redis: RedisClient): Promise<boolean> {
  if (redis.status !== 'ready') return false
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis]
  const pings = Promise.all(nodes.map((node) => node.ping()))
  return within(PING_LIMIT, pings, () => new Error('no answer')).then(
    () => true,
    () => false,
  )
}

/** Ends the connection; without waiting for a server that is away. */
export async function disconnectRedis(redis: RedisClient): Promise<void> {
  if (redis.status === 'ready') await within(QUIT_LIMIT, redis.quit(), () => new Error('no answer')).catch(() => {})
  redis.disconnect()
}

const backOff = (attempt: number) => Math.min(attempt * 50, MAX_BACKOFF)

function single(url: string): Redis {
  return new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_LIMIT,
    maxRetriesPerRequest: 1,
    retryStrategy: backOff,
  })
}

function cluster(urls: readonly string[]): Cluster {
  // The other nodes are found by asking; they share user, password and TLS with the first one.
  const { username, password, protocol } = new URL(urls[0]!) // more than one
  return new Cluster([...urls], {
    lazyConnect: true,
    clusterRetryStrategy: backOff,
    redisOptions: {
      connectTimeout: CONNECT_LIMIT,
      maxRetriesPerRequest: 1,
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
      ...(protocol === 'rediss:' && { tls: {} }),
    },
  })
}

/** A node of a Cluster would answer most keys with MOVED. */
async function refuseClusterNode(redis: Redis): Promise<void> {
  if (/cluster_enabled:1/.test(await redis.info('cluster')))
    throw new Error('it is a node of a Cluster: name several of its nodes, separated by commas')
}

function describe(error: Error): string {
  const last = 'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : error
  if (last instanceof AggregateError) return last.errors.map((each: Error) => each.message).join(', ')
  if (last.message.startsWith('Unknown RESP type')) return 'what answers there is no Redis'
  if (last.message.startsWith('NOAUTH')) return 'it wants a password: redis://:password@host'
  return last.message || ('code' in last ? String(last.code) : last.name)
}
