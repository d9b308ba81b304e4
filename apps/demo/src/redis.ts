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

type Log = { warn(message: string): void; info(message: string): void }

/**
 * Connects to Redis and waits until it is ready: a wrong address shows at the start. Later the client reconnects by itself.
 *
 * @throws StartError when Redis cannot be reached or refuses us
 */
export async function connectRedis(urls: readonly string[], log: Log): Promise<RedisClient> {
  const redis = urls.length === 1 ? single(urls[0]!) : cluster(urls) // as many as counted
  const where = `Redis at ${urls.map(hideSecret).join(', ')} (REDIS_URL)`
  let reason = `no answer within ${CONNECT_LIMIT} ms`
  const note = (error: Error) => {
    reason = describe(error)
  }
  redis.on('error', note)
  try {
    await within(CONNECT_LIMIT, redis.connect(), () => new Error(reason))
    if (redis instanceof Redis) await refuseClusterNode(redis)
  } catch (error) {
    redis.disconnect()
    const told = error instanceof Error && error.message !== 'Connection is closed.' ? describe(error) : reason
    throw new StartError(`Cannot use ${where}: ${told}`)
  }
  redis.off('error', note)
  logOutages(redis, log)
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

function logOutages(redis: RedisClient, log: Log): void {
  let away = false
  redis.on('error', (error: Error) => {
    if (!away) log.warn(`Redis is away: ${describe(error)}`)
    away = true
  })
  redis.on('ready', () => {
    if (away) log.info('Redis is back')
    away = false
  })
}

function describe(error: Error): string {
  const last = 'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : error
  if (last instanceof AggregateError) return last.errors.map((each: Error) => each.message).join(', ')
  return last.message || ('code' in last ? String(last.code) : last.name)
}
