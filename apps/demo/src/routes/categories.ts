import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Catalogue } from '../catalogue.js'
import { problems } from '../problem.js'
import { Category } from '../product.js'

/** The categories that products are in. */
export const categoryRoutes: FastifyPluginAsyncTypebox<{ catalogue: Catalogue }> = async (app, { catalogue }) => {
  app.get(
    '/categories',
    {
      schema: {
        tags: ['products'],
        summary: 'All categories',
        response: { 200: Type.Object({ items: Type.Array(Category) }), ...problems },
      },
    },
    async () => ({ items: await catalogue.categories() }),
  )
}
