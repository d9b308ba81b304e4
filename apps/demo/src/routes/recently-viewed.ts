import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Catalogue } from '../catalogue.js'
import { problems } from '../problem.js'
import { Product } from '../product.js'
import { byUser, requireUser } from '../user.js'
import { HISTORY, type Visits } from '../visits.js'

/** What a user looked at last. */
export const recentlyViewedRoutes: FastifyPluginAsyncTypebox<{ catalogue: Catalogue; visits: Visits }> = async (
  app,
  { catalogue, visits },
) => {
  app.get(
    '/recently-viewed',
    {
      schema: {
        tags: ['cart'],
        summary: `The last ${HISTORY} products I looked at, newest first`,
        security: byUser,
        response: { 200: Type.Object({ items: Type.Array(Product) }), ...problems },
      },
    },
    async (request, reply) => {
      const ids = await visits.recent(requireUser(request))
      const products = await catalogue.products(ids)
      reply.header('cache-control', 'private, no-store')
      return { items: products.filter((product) => product !== null) }
    },
  )
}
