import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Cart, CartChange, type Carts } from '../cart.js'
import { problems } from '../problem.js'
import { Id } from '../product.js'
import { byUser, refuseStrangers, requireUser } from '../user.js'

/** One's own cart. */
export const cartRoutes: FastifyPluginAsyncTypebox<{ carts: Carts }> = async (app, { carts }) => {
  app.addHook('onRequest', refuseStrangers)
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'private, no-store')
  })

  app.get(
    '/cart',
    {
      schema: {
        tags: ['cart'],
        summary: 'My cart',
        security: byUser,
        response: { 200: Cart, ...problems },
      },
    },
    (request) => carts.of(requireUser(request)),
  )

  app.put(
    '/cart/:productId',
    {
      schema: {
        tags: ['cart'],
        summary: 'Put a product into my cart',
        description: 'Quantity 0 takes it out.',
        security: byUser,
        params: Type.Object({ productId: Id }),
        body: CartChange,
        response: { 200: Cart, ...problems },
      },
    },
    (request) => carts.put(requireUser(request), request.params.productId, request.body.quantity),
  )
}
