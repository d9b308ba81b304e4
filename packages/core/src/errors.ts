import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** A bad or unknown option, found at registration. The message names option, rule, value and type. */
export const InvalidOptionError: FastifyErrorConstructor<{ code: 'LARDER_INVALID_OPTION' }, [string]> = createError(
  'LARDER_INVALID_OPTION',
  '%s',
  500,
  TypeError,
)

/** A cache key, lock name or tag that cannot be one: empty, binary, a function, a symbol. */
export const InvalidKeyError: FastifyErrorConstructor<{ code: 'LARDER_INVALID_KEY' }, [string]> = createError(
  'LARDER_INVALID_KEY',
  '%s',
  500,
  TypeError,
)

/** The same plugin registered twice under one name. */
export const DuplicateNameError: FastifyErrorConstructor<{ code: 'LARDER_DUPLICATE_NAME' }, [string, string]> =
  createError('LARDER_DUPLICATE_NAME', 'fastify.%s is already registered%s: give this registration a `name` of its own')

/** Redis cannot be asked: not connected, or the breaker is open after a missed deadline. Nothing was sent. */
export const RedisUnavailableError: FastifyErrorConstructor<
  { code: 'LARDER_REDIS_UNAVAILABLE' },
  [string, ErrorOptions?]
> = createError('LARDER_REDIS_UNAVAILABLE', 'Redis is unavailable: %s', 503)

/** Redis did not answer a command within the deadline. The command may still be executed later. */
export const RedisTimeoutError: FastifyErrorConstructor<{ code: 'LARDER_REDIS_TIMEOUT' }, [number]> = createError(
  'LARDER_REDIS_TIMEOUT',
  'Redis did not answer within %s ms',
  503,
)
