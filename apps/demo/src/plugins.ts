import bearerAuth from '@fastify/bearer-auth'
import fastifyRedis from '@fastify/redis'
import cacheAside from '@larder/cache-aside'
import events from '@larder/events'
import leaderboard from '@larder/leaderboard'
import locks from '@larder/locks'
import metrics from '@larder/metrics'
import rateLimit from '@larder/rate-limit'
import responseCache from '@larder/response-cache'
import sessions from '@larder/sessions'
import tags from '@larder/tags'
import writeBehind from '@larder/write-behind'
import type { FastifyInstance } from 'fastify'
import type { Config } from './config.js'
import type { Database } from './database.js'
import { openApi } from './open-api.js'
import type { OwnRedis } from './own-redis.js'
import { problemPlugin } from './problem.js'
import type { RedisClient } from './redis.js'
import { makeSessionSecret } from './session-secret.js'
import { SESSION_COOKIE } from './user.js'
import { describeMismatch, makeValidatorCompiler } from './validation.js'

/** What the shop runs on. */
export type Ground = {
  config: Config
  database: Database
  redis: RedisClient | undefined
  /** The server behind `redis`, if the shop started it. */
  ownRedis: OwnRedis | undefined
}

/** Registers what the routes stand on: manners of HTTP first, then Larder's plugins. */
export async function registerPlugins(app: FastifyInstance, { config, database, redis }: Ground): Promise<void> {
  app.setValidatorCompiler(makeValidatorCompiler())
  app.setSchemaErrorFormatter(([mismatch], where) => new Error(mismatch && describeMismatch(mismatch, where)))
  // A form of another site can send text without being asked; JSON it cannot.
  app.removeContentTypeParser('text/plain')
  await app.register(problemPlugin)
  await app.register(openApi)
  await app.register(bearerAuth, {
    keys: [config.adminToken],
    addHook: false,
    specCompliance: 'rfc6749',
    verifyErrorLogLevel: 'debug',
  })
  if (redis) await app.register(fastifyRedis, { client: redis })

  await app.register(metrics)
  const shared = { redis: redis ?? (false as const), namespace: 'shop' }
  // One database, one cache: what is cached of another database's rows must never be found.
  await app.register(cacheAside, { ...shared, version: database.identity, staleIfError: '1h' })
  await app.register(tags, shared)
  await app.register(responseCache)
  // The locks of a process that died are free before those who wait for them give up.
  await app.register(locks, { ...shared, ttl: '3s', wait: '8s' })
  await app.register(leaderboard, shared)
  await app.register(writeBehind, shared)
  await app.register(events, shared)
  const given = config.sessionSecrets
  const secret = given.length > 0 ? given : await makeSessionSecret(app, redis)
  await app.register(sessions, { ...shared, secret, cookieName: SESSION_COOKIE })
  // Only routes that say so are limited, each user of a route by himself.
  await app.register(rateLimit, { ...shared, global: false })
}
