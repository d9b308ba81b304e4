import type { FastifyInstance } from 'fastify'
import type { RedisClient } from './breaker.js'
import { isCluster } from './client.js'
import { InvalidOptionError } from './errors.js'
import { invalidOption } from './options.js'

/**
 * Where a plugin keeps its state: an ioredis client, the name of an `@fastify/redis` namespace, or `false` for the memory of
 * this process. Left out: `fastify.redis` where it is decorated, else memory with one warning.
 */
export type RedisOption = RedisClient | string | false

const clients = new WeakMap<object, Set<RedisClient>>()

/** Whether it is a client of ioredis, of whatever installation: `instanceof` would not know another one. */
export function isClient(value: unknown): value is RedisClient {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as RedisClient).duplicate === 'function' &&
    typeof (value as RedisClient).pipeline === 'function' &&
    typeof (value as RedisClient).status === 'string'
  )
}

/**
 * The client that option `redis` names; `undefined` for memory.
 *
 * @throws `LARDER_INVALID_OPTION` for anything else, a namespace that `@fastify/redis` does not have, or a Cluster that reads from replicas
 */
export function resolveClient(fastify: FastifyInstance, option: unknown, plugin: string): RedisClient | undefined {
  const client = find(fastify, option, plugin)
  if (client === undefined) return undefined
  // A replica may not have what was acknowledged a moment ago, a deletion or a logout, and nobody would learn of it.
  if (isCluster(client) && (client.options.scaleReads ?? 'master') !== 'master')
    throw invalidOption(
      'redis',
      "a Cluster that reads from its masters, `scaleReads: 'master'`",
      client.options.scaleReads,
    )
  const known = clients.get(fastify.server) ?? new Set()
  clients.set(fastify.server, known.add(client))
  return client
}

/** The clients that plugins of an application (its `fastify.server`) were given. */
export function clientsOf(app: object): ReadonlySet<RedisClient> {
  return clients.get(app) ?? new Set()
}

function find(fastify: FastifyInstance, option: unknown, plugin: string): RedisClient | undefined {
  const decorated = fastify.hasDecorator('redis') ? (fastify as unknown as { redis: unknown }).redis : undefined
  if (option === false) return undefined
  if (isClient(option)) return option
  const namespaces = Object.entries(decorated ?? {}).filter(([, value]) => isClient(value))
  const names = namespaces.map(([name]) => `\`${name}\``).join(', ')
  if (typeof option === 'string') {
    const client = namespaces.find(([name]) => name === option)?.[1]
    if (client) return client as RedisClient
    throw invalidOption(
      'redis',
      `a namespace of @fastify/redis${names ? ` (${names})` : ', and none is registered'}`,
      option,
    )
  }
  if (option !== undefined)
    throw invalidOption('redis', 'an ioredis client, a namespace of @fastify/redis or `false`', option)
  if (isClient(decorated)) return decorated
  if (names)
    throw new InvalidOptionError(`Expected \`redis\` to name the namespace of @fastify/redis to use, one of ${names}`)
  fastify.log.warn(
    `larder: ${plugin} has no Redis and keeps everything in the memory of this process, shared with nobody`,
  )
  return undefined
}
