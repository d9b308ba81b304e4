import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { OrderFeed } from '../order-feed.js'

const LastEventId = Type.Optional(Type.String({ description: 'The id of the last event that is known already' }))

/** What happens in the shop, as it happens. */
export const eventRoutes: FastifyPluginAsyncTypebox<{ orderFeed: OrderFeed }> = async (app, { orderFeed }) => {
  app.get(
    '/events/orders',
    {
      schema: {
        tags: ['orders'],
        summary: 'Orders as they are sold, as server-sent events',
        description:
          'Events named `order`, for as long as one listens. A browser that comes back says by itself which one it had last, and ' +
          'is sent what it missed; where that is no longer kept, an event named `gap` comes first.',
        headers: Type.Object({ 'last-event-id': LastEventId }),
        querystring: Type.Object({ lastEventId: LastEventId }),
        response: { 200: { description: 'Events', content: { 'text/event-stream': { schema: Type.String() } } } },
      },
    },
    async (request, reply) =>
      app.events.sse(request, reply, ({ lastEventId, signal }) => orderFeed.read({ after: lastEventId, signal }), {
        event: 'order',
        retry: '1s',
      }),
  )
}
