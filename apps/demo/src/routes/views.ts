import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Catalogue } from '../catalogue.js'
import { ProductNotFoundError } from '../errors.js'
import { problems } from '../problem.js'
import { Id } from '../product.js'
import type { Views } from '../views.js'

const ProductId = Type.Object({ id: Id })

/** How often a product was looked at. */
export const viewRoutes: FastifyPluginAsyncTypebox<{ catalogue: Catalogue; views: Views }> = async (
  app,
  { catalogue, views },
) => {
  const mustExist = async (id: number): Promise<void> => {
    if ((await catalogue.product(id)).value === null) throw new ProductNotFoundError(id)
  }

  app.post(
    '/products/:id/views',
    {
      schema: {
        tags: ['products'],
        summary: 'Count a view',
        description: 'Once it is accepted it reaches the database within seconds, exactly once.',
        params: ProductId,
        response: { 202: Type.Null({ description: 'It is counted' }), ...problems },
      },
    },
    async ({ params: { id } }, reply) => {
      await mustExist(id)
      await views.add(id)
      return reply.code(202).send(null)
    },
  )

  app.get(
    '/products/:id/views',
    {
      schema: {
        tags: ['products'],
        summary: 'How often a product was looked at',
        description: '`total`: in the database; `pending`: counted, and on their way.',
        params: ProductId,
        response: { 200: Type.Object({ total: Type.Integer(), pending: Type.Integer() }), ...problems },
      },
    },
    async ({ params: { id } }, reply) => {
      await mustExist(id)
      reply.header('cache-control', 'no-store')
      return views.of(id)
    },
  )
}
