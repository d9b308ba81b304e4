import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { CACHED_LIST, listFields } from '../cached-list.js'
import type { Catalogue } from '../catalogue.js'
import { problems } from '../problem.js'
import { Category } from '../product.js'

/** The categories that products are in. */
export const categoryRoutes: FastifyPluginAsyncTypebox<{ catalogue: Catalogue }> = async (app, { catalogue }) => {
  app.get(
    '/categories',
    {
      config: { responseCache: CACHED_LIST },
      schema: {
        tags: ['products'],
        summary: 'All categories',
        response: { 200: Type.Object({ items: Type.Array(Category) }), ...problems },
      },
    },
    async (_request, reply) => {
      reply.headers(listFields(3_600))
      return { items: await catalogue.categories() }
    },
  )
}
