import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** What a refused request is answered with, unless `errorResponseBuilder` says otherwise. */
export const ExceededError: FastifyErrorConstructor<{ code: 'LARDER_RATE_LIMIT_EXCEEDED' }, [string]> = createError(
  'LARDER_RATE_LIMIT_EXCEEDED',
  'Rate limit exceeded, retry in %s',
  429,
)

/** What a request is answered with that was refused more often than `ban` allows. */
export const BannedError: FastifyErrorConstructor<{ code: 'LARDER_RATE_LIMIT_BANNED' }, [string]> = createError(
  'LARDER_RATE_LIMIT_BANNED',
  'Rate limit exceeded too often, retry in %s',
  403,
)

/** With `onRedisError: 'closed'`: Redis could not be asked within `deadline`; its error is the `cause`. */
export const UnavailableError: FastifyErrorConstructor<
  { code: 'LARDER_RATE_LIMIT_UNAVAILABLE' },
  [string, ErrorOptions?]
> = createError('LARDER_RATE_LIMIT_UNAVAILABLE', 'The rate limit cannot be asked: %s', 503)

/** A function of the options returned what cannot be a `max`, `timeWindow` or `cost`. */
export const InvalidValueError: FastifyErrorConstructor<
  { code: 'LARDER_RATE_LIMIT_INVALID_VALUE' },
  [string, string, string]
> = createError('LARDER_RATE_LIMIT_INVALID_VALUE', 'Expected `%s` to return %s, got %s', 500, TypeError)
