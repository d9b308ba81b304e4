import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { SessionNotFoundError } from '../errors.js'
import { problems } from '../problem.js'
import { byUser, refuseStrangers, requireUser } from '../user.js'

/** Looking is cheap, but takes a command for each session that the user has. */
const LIMIT = { max: 120, timeWindow: '1 minute', policy: 'devices', groupId: 'devices' }

const Time = Type.String({ format: 'date-time' })

const Device = Type.Object({
  id: Type.String({ description: 'To end it by; of no use as a cookie' }),
  createdAt: Time,
  lastSeenAt: Time,
  expiresAt: Time,
  ip: Type.Optional(Type.String()),
  userAgent: Type.Optional(Type.String()),
  current: Type.Boolean({ description: 'Whether it is the one that asks' }),
})

/** Where I am logged in, and to end that. */
export const deviceRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.addHook('onRequest', refuseStrangers)
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'private, no-store')
  })

  app.get(
    '/sessions',
    {
      config: { rateLimit: LIMIT },
      schema: {
        tags: ['session'],
        summary: 'Where I am logged in, the oldest first',
        security: byUser,
        response: { 200: Type.Object({ items: Type.Array(Device) }), ...problems },
      },
    },
    async (request) => {
      const sessions = await app.sessions.list(requireUser(request), { request })
      const items = sessions.map(({ createdAt, lastSeenAt, expiresAt, ip, userAgent, ...session }) => ({
        ...session,
        createdAt: new Date(createdAt).toISOString(),
        lastSeenAt: new Date(lastSeenAt).toISOString(),
        expiresAt: new Date(expiresAt).toISOString(),
        ...(ip !== undefined && { ip }),
        ...(userAgent !== undefined && { userAgent }),
      }))
      return { items }
    },
  )

  app.delete(
    '/sessions/:id',
    {
      config: { rateLimit: LIMIT },
      schema: {
        tags: ['session'],
        summary: 'Log a device out',
        security: byUser,
        params: Type.Object({ id: Type.String({ pattern: '^[\\w-]{1,64}$' }) }),
        response: { 204: Type.Null({ description: 'It is logged out' }), ...problems },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      if (!(await app.sessions.revoke(requireUser(request), id))) throw new SessionNotFoundError(id)
      return reply.code(204).send(null)
    },
  )

  app.delete(
    '/sessions',
    {
      config: { rateLimit: LIMIT },
      schema: {
        tags: ['session'],
        summary: 'Log out everywhere else',
        description: 'With `current=true` here too.',
        security: byUser,
        querystring: Type.Object({ current: Type.Boolean({ default: false }) }),
        response: { 200: Type.Object({ ended: Type.Integer() }), ...problems },
      },
    },
    async (request) => {
      const user = requireUser(request)
      if (!request.query.current) return { ended: await app.sessions.revokeAll(user, { except: request }) }
      const ended = await app.sessions.revokeAll(user)
      await request.logout() // takes the cookie away
      return { ended }
    },
  )
}
