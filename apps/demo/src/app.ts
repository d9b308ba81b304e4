import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Config } from './config.js'
import { type Database, openDatabase } from './database.js'
import { startOwnRedis } from './own-redis.js'
import { makeParts } from './parts.js'
import { registerPlugins } from './plugins.js'
import type { Progress } from './progress.js'
import { connectRedis, disconnectRedis, type RedisClient } from './redis.js'
import { registerRoutes } from './routes/index.js'

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

  const ownRedis = config.ownRedis ? await startOwnRedis() : undefined
  const addresses = ownRedis ? [ownRedis.url] : config.redis
  const redis = addresses.length > 0 ? await connectRedis(addresses) : undefined
  const database = await openDatabase(config.database, onProgress).catch((error) => {
    redis?.disconnect()
    throw error
  })
  // Hooks run in turn, the last one first: the plugins end before what they use.
  app.addHook('onClose', async () => {
    await database.close()
    if (redis) await disconnectRedis(redis)
    await ownRedis?.stop()
  })

  const ground = { config, database, redis, ownRedis }
  await registerPlugins(app, ground)
  await registerRoutes(app, makeParts(app, ground))
  await app.ready()
  return { app, database, redis }
}
