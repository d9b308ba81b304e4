import bearerAuth from '@fastify/bearer-auth'
import fastifyRedis from '@fastify/redis'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import cacheAside from '@larder/cache-aside'
import leaderboard from '@larder/leaderboard'
import locks from '@larder/locks'
import tags from '@larder/tags'
import Fastify, { type FastifyInstance } from 'fastify'
import { Carts } from './cart.js'
import { Catalogue } from './catalogue.js'
import type { Config } from './config.js'
import { type Database, openDatabase } from './database.js'
import { MemoryVisits } from './memory-visits.js'
import { openApi } from './open-api.js'
import { Orders } from './orders.js'
import { problemPlugin } from './problem.js'
import type { Progress } from './progress.js'
import { Rankings } from './rankings.js'
import { connectRedis, disconnectRedis, type RedisClient } from './redis.js'
import { RedisVisits } from './redis-visits.js'
import { cartRoutes } from './routes/cart.js'
import { categoryRoutes } from './routes/categories.js'
import { healthRoutes } from './routes/health.js'
import { leaderboardRoutes } from './routes/leaderboards.js'
import { orderRoutes } from './routes/orders.js'
import { productImportRoutes } from './routes/product-import.js'
import { productRoutes } from './routes/products.js'
import { recentlyViewedRoutes } from './routes/recently-viewed.js'
import { statsRoutes } from './routes/stats.js'
import { describeMismatch, makeValidatorCompiler } from './validation.js'

/** The shop, ready to listen or to be injected into, and what it runs on. */
export type Shop = { app: FastifyInstance; database: Database; redis: RedisClient | undefined }

/**
 * Connects to Redis and the database, and puts the shop together. `app.close()` ends all that was opened.
 *
 * @throws StartError when Redis or the database cannot be used
 * @example
 * const { app } = await buildApp(readConfig(process.env))
 * const reply = await app.inject('/products/42')
 */
export async function buildApp(config: Config, onProgress: Progress = () => {}): Promise<Shop> {
  const app = Fastify({
    logger: { level: config.logLevel, stream: process.stderr },
    // A stopping shop does not wait for browsers that keep their connections.
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true },
  }).withTypeProvider<TypeBoxTypeProvider>()

  const redis = config.redis.length > 0 ? await connectRedis(config.redis) : undefined
  const database = await openDatabase(config.database, onProgress).catch((error) => {
    redis?.disconnect()
    throw error
  })
  // Hooks run in turn, the last one first: the plugins end before what they use.
  app.addHook('onClose', async () => {
    await database.close()
    if (redis) await disconnectRedis(redis)
  })

  app.setValidatorCompiler(makeValidatorCompiler())
  app.setSchemaErrorFormatter(([mismatch], where) => new Error(mismatch && describeMismatch(mismatch, where)))
  await app.register(problemPlugin)
  await app.register(openApi)
  await app.register(bearerAuth, {
    keys: [config.adminToken],
    addHook: false,
    specCompliance: 'rfc6749',
    verifyErrorLogLevel: 'debug',
  })
  if (redis) await app.register(fastifyRedis, { client: redis })
  // One database, one cache: what is cached of another database's rows must never be found.
  const shared = { redis: redis ?? (false as const), namespace: 'shop' }
  await app.register(cacheAside, { ...shared, version: database.identity, staleIfError: '1h' })
  await app.register(tags, shared)
  // The locks of a process that died are free before those who wait for them give up.
  await app.register(locks, { ...shared, ttl: '3s', wait: '8s' })
  await app.register(leaderboard, shared)

  const { cache } = app
  const catalogue = new Catalogue(database, cache, app.tags)
  const carts = new Carts(database, cache, catalogue)
  const rankings = new Rankings({ database, leaderboards: app.leaderboards, log: app.log })
  const orders = new Orders({ database, locks: app.locks, catalogue, tags: app.tags, rankings })
  const visits = redis ? new RedisVisits(redis, database.identity) : new MemoryVisits()

  await app.register(healthRoutes, { database, redis })
  await app.register(productRoutes, { catalogue, visits })
  await app.register(productImportRoutes, { catalogue, database })
  await app.register(categoryRoutes, { catalogue })
  await app.register(statsRoutes, { database, cache })
  await app.register(cartRoutes, { carts })
  await app.register(orderRoutes, { orders })
  await app.register(leaderboardRoutes, { rankings })
  await app.register(recentlyViewedRoutes, { catalogue, visits })
  await app.ready()
  return { app, database, redis }
}
