import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { type Static, Type } from 'typebox'
import { RouteNotFoundError } from './errors.js'

/** What every error looks like. */
export const Problem = Type.Object(
  { statusCode: Type.Integer(), code: Type.String(), error: Type.String(), message: Type.String() },
  { description: 'What went wrong' },
)

/** The answers that any route may give instead of its own. */
export const problems = { '4xx': Problem, '5xx': Problem }

/** Answers errors as {@link Problem}s. What nobody foresaw is logged, and told to nobody. */
export const problemPlugin = fp(async (app) => {
  app.setErrorHandler<FastifyError>(answer)
  app.setNotFoundHandler((request, reply) =>
    answer(new RouteNotFoundError(request.method, request.url), request, reply),
  )
})

function answer(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const statusCode = error.statusCode ?? 500
  const foreseen = error.statusCode !== undefined && error.code !== undefined
  // Whoever went away while sending hears no answer, and it is no fault of ours.
  if (!foreseen && !request.raw.readableAborted) request.log.error({ err: error }, 'request failed')
  const problem: Static<typeof Problem> = {
    statusCode,
    code: foreseen ? error.code : 'SHOP_INTERNAL_ERROR',
    error: STATUS_CODES[statusCode] ?? 'Error',
    message: foreseen ? error.message : 'Something went wrong in the shop',
  }
  if (statusCode === 401) reply.header('www-authenticate', 'Bearer') // RFC 9110, 15.5.2
  return reply.code(statusCode).type('application/json; charset=utf-8').send(problem)
}
