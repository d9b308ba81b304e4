import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Logins } from '../logins.js'
import { problems } from '../problem.js'
import { byUser, requireUser } from '../user.js'
import { Credentials } from '../users.js'

const LoggedIn = Type.Object({ userId: Type.String(), email: Type.String() })

/** To log in and out. */
export const sessionRoutes: FastifyPluginAsyncTypebox<{ logins: Logins }> = async (app, { logins }) => {
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'private, no-store')
  })

  app.post(
    '/session',
    {
      schema: {
        tags: ['session'],
        summary: 'Log in',
        description:
          'Sets a cookie, HttpOnly and SameSite=Lax, Secure over HTTPS. Takes a new id each time: one from before is nobody’s. ' +
          '401: the e-mail or the password is wrong. 429: too many wrong ones came from there.',
        body: Credentials,
        response: { 201: LoggedIn, ...problems },
      },
    },
    async (request, reply) => {
      const user = await logins.authenticate(request)
      await request.login(user)
      return reply.code(201).send({ userId: user, email: user })
    },
  )

  app.get(
    '/session',
    {
      schema: {
        tags: ['session'],
        summary: 'Who I am',
        security: byUser,
        response: { 200: LoggedIn, ...problems },
      },
    },
    async (request) => {
      const user = requireUser(request)
      return { userId: user, email: user }
    },
  )

  app.delete(
    '/session',
    {
      schema: {
        tags: ['session'],
        summary: 'Log out',
        description: 'For good: also for requests that are under way, and for who copied the cookie.',
        security: byUser,
        response: { 204: Type.Null({ description: 'Nobody is logged in' }), ...problems },
      },
    },
    async (request, reply) => {
      await request.logout()
      return reply.code(204).send(null)
    },
  )
}
