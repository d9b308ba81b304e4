import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import fp from 'fastify-plugin'
import { SESSION_COOKIE } from './user.js'

/** The metrics plugin leaves its route out, as most applications want it; this one shows all that it has. */
const METRICS = {
  tags: ['operation'],
  summary: 'What Prometheus reads',
  response: {
    200: { description: 'Series of this process', content: { 'text/plain': { schema: { type: 'string' } } } },
  },
}

/** Describes every route that is registered after it, as OpenAPI at `/documentation/json` and as a page at `/documentation`. */
export const openApi = fp(async (app) => {
  app.addHook('onRoute', (route) => {
    if (route.url === '/metrics') route.schema = METRICS
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'The Larder shop',
        description: 'A JSON API over a fake product catalogue that shows every Larder plugin at work.',
        version: '1.0.0',
      },
      tags: [
        { name: 'products', description: 'The catalogue. Product answers say in `Cache-Status` what the cache did.' },
        { name: 'session', description: '`user1@example.com` … `user20@example.com`, password `larder`' },
        { name: 'cart', description: 'What belongs to whoever is logged in' },
        { name: 'orders', description: 'Sold once, whatever fails, to who sends an `Idempotency-Key`' },
        { name: 'operation', description: 'How the shop is' },
      ],
      components: {
        securitySchemes: {
          session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'Set by `POST /session`' },
          admin: { type: 'http', scheme: 'bearer', description: '`$ADMIN_TOKEN`, `demo-admin` when unset' },
        },
      },
    },
  })
  await app.register(swaggerUi, { routePrefix: '/documentation' })
})
