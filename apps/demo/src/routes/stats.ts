import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { Cache } from '@larder/cache-aside'
import { cacheStatus } from '../cache-status.js'
import type { Database } from '../database.js'
import { problems } from '../problem.js'
import { Statistics, statistics } from '../stats.js'

/** Figures over the whole shop. */
export const statsRoutes: FastifyPluginAsyncTypebox<{ database: Database; cache: Cache }> = async (
  app,
  { database, cache },
) => {
  app.get(
    '/stats',
    {
      schema: {
        tags: ['operation'],
        summary: 'Figures over the whole shop',
        description: 'Expensive aggregates: computed every 15 minutes, and after an import or an order.',
        response: { 200: Statistics, ...problems },
      },
    },
    async (_request, reply) => {
      const entry = await statistics(database, cache)
      reply.header('cache-status', cacheStatus(entry))
      return entry.value
    },
  )
}
