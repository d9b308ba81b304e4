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
export type Problem = Static<typeof Problem>

/** The answers that any route may give instead of its own. */
export const problems = { '4xx': Problem, '5xx': Problem }

/** An error that was foreseen, as it is answered. */
export function toProblem({
  statusCode = 500,
  code,
  message,
}: Pick<FastifyError, 'statusCode' | 'code' | 'message'>): Problem {
  return { statusCode, code, error: STATUS_CODES[statusCode] ?? 'Error', message }
}

/** An error that may bring header fields of its own. */
type ShopError = FastifyError & { headers?: Record<string, string> }

const UNFORESEEN = { code: 'SHOP_INTERNAL_ERROR', message: 'Something went wrong in the shop' }
/** Seconds after which who was told that something is away may ask again. */
const RETRY_AFTER = '1'

/** Answers errors as {@link Problem}s. What nobody foresaw is logged, and told to nobody. */
export const problemPlugin = fp(async (app) => {
  app.setErrorHandler<ShopError>(answer)
  app.setNotFoundHandler((request, reply) =>
    answer(new RouteNotFoundError(request.method, request.url), request, reply),
  )
})

function answer(error: ShopError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { statusCode = 500 } = error
  const foreseen = error.statusCode !== undefined && error.code !== undefined
  // Whoever went away while sending hears no answer, and it is no fault of ours.
  if (!foreseen && !request.raw.readableAborted) request.log.error({ err: error }, 'request failed')
  const problem = toProblem(foreseen ? error : { statusCode, ...UNFORESEEN })
  if (error.headers) reply.headers(error.headers)
  if (statusCode === 503) reply.header('retry-after', RETRY_AFTER)
  if (statusCode === 401) reply.header('www-authenticate', challengeOf(error)) // RFC 9110, 15.5.2
  return reply.code(statusCode).type('application/json; charset=utf-8').send(problem)
}

/** How to say who one is: as the administrator by a token, as a user by a cookie, for which there is no registered scheme. */
function challengeOf({ code }: FastifyError): string {
  return code?.startsWith('FST_BEARER') ? 'Bearer' : 'Cookie realm="POST /session"'
}
