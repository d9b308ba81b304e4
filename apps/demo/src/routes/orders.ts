import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Order, OrderDraft } from '../order.js'
import type { Orders } from '../orders.js'
import { problems } from '../problem.js'
import { Id } from '../product.js'
import { byUser, refuseStrangers, requireUser } from '../user.js'

/** Of each user, in any process. What is no order at all is not counted. */
const LIMIT = { max: 10, timeWindow: '1 minute', policy: 'orders', hook: 'preHandler' } as const

const IDEMPOTENCY_KEY = 'idempotency-key'

const OrderHeaders = Type.Object({
  [IDEMPOTENCY_KEY]: Type.String({
    pattern: '^[\\x21-\\x7e]{1,200}$',
    description: 'One for each order, such as a UUID; the same one when the order is sent again',
  }),
})

/** To buy, and what one has bought. */
export const orderRoutes: FastifyPluginAsyncTypebox<{ orders: Orders }> = async (app, { orders }) => {
  app.addHook('onRequest', refuseStrangers)
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'private, no-store')
  })

  app.post(
    '/orders',
    {
      config: { rateLimit: LIMIT },
      schema: {
        tags: ['orders'],
        summary: 'Buy',
        security: byUser,
        description:
          'All or nothing. Send it again with the same `Idempotency-Key` after a lost answer or a 503: it is sold once, and ' +
          'answered as the first time (then with `Idempotent-Replayed: true`). 404 names a product that is unknown, 409 one of ' +
          'which there is not enough; these answers are kept too. 422: the key stood for another order. 429: ten orders a minute are enough; `Retry-After` says ' +
          'when there is room again.',
        headers: OrderHeaders,
        body: OrderDraft,
        response: { 201: Order, ...problems },
      },
    },
    async (request, reply) => {
      const key = request.headers[IDEMPOTENCY_KEY]
      const { answer, replayed } = await orders.place(requireUser(request), key, request.body)
      if (replayed) reply.header('idempotent-replayed', 'true')
      if (answer.status === 201) reply.header('location', `/orders/${answer.body.id}`)
      return reply.code(answer.status).send(answer.body)
    },
  )

  app.get(
    '/orders',
    {
      schema: {
        tags: ['orders'],
        summary: 'My last 50 orders, newest first',
        security: byUser,
        response: { 200: Type.Object({ items: Type.Array(Order) }), ...problems },
      },
    },
    async (request) => ({ items: await orders.of(requireUser(request)) }),
  )

  app.get(
    '/orders/:id',
    {
      schema: {
        tags: ['orders'],
        summary: 'An order of mine',
        security: byUser,
        params: Type.Object({ id: Id }),
        response: { 200: Order, ...problems },
      },
    },
    (request) => orders.one(requireUser(request), request.params.id),
  )
}
