import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Database } from '../database.js'
import { within } from '../deadline.js'
import { isReady, type RedisClient } from '../redis.js'

const DATABASE_LIMIT = 1_000

const Health = Type.Object({
  status: Type.Enum(['ok', 'degraded']),
  redis: Type.Enum(['memory', 'ready', 'down']),
  database: Type.Enum(['ready', 'down']),
})

/** How the shop is, for people and load balancers. */
export const healthRoutes: FastifyPluginAsyncTypebox<{ database: Database; redis: RedisClient | undefined }> = async (
  app,
  { database, redis },
) => {
  const databaseState = () =>
    within(DATABASE_LIMIT, database.query('SELECT 1'), () => new Error('no answer')).then(
      () => 'ready' as const,
      () => 'down' as const,
    )
  const redisState = async () => (redis === undefined ? 'memory' : (await isReady(redis)) ? 'ready' : 'down')

  app.get(
    '/health',
    {
      schema: {
        tags: ['operation'],
        summary: 'How the shop is',
        description: 'Without Redis it serves from the database: degraded, 200. Without the database: 503.',
        response: { 200: Health, 503: Health },
      },
    },
    async (_request, reply) => {
      const [redisNow, databaseNow] = await Promise.all([redisState(), databaseState()])
      const status = redisNow === 'down' || databaseNow === 'down' ? ('degraded' as const) : ('ok' as const)
      reply.header('cache-control', 'no-store')
      if (databaseNow === 'down') reply.code(503)
      return { status, redis: redisNow, database: databaseNow }
    },
  )
}
