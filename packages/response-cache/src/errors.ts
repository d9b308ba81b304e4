import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** There is no `fastify.cache` to keep responses in. */
export const NoCacheError: FastifyErrorConstructor<{ code: 'LARDER_RESPONSE_CACHE_NO_CACHE' }, [string]> = createError(
  'LARDER_RESPONSE_CACHE_NO_CACHE',
  'There is no %s to keep responses in: register @larder/cache-aside, in the same application',
)

/** A route names `tags`, and nothing invalidates them. */
export const NoTagsError: FastifyErrorConstructor<{ code: 'LARDER_RESPONSE_CACHE_NO_TAGS' }, [string]> = createError(
  'LARDER_RESPONSE_CACHE_NO_TAGS',
  '%s tags, but nothing invalidates them: register @larder/tags',
)

/** The client asked for `only-if-cached`, and nothing that is kept may answer it (RFC 9111 section 5.2.1.7). */
export const NotCachedError: FastifyErrorConstructor<{ code: 'LARDER_RESPONSE_CACHE_NOT_CACHED' }, []> = createError(
  'LARDER_RESPONSE_CACHE_NOT_CACHED',
  'Nothing is kept that answers this request',
  504,
)

/** A purge route was made without a guard. */
export const NoGuardError: FastifyErrorConstructor<{ code: 'LARDER_RESPONSE_CACHE_NO_GUARD' }, []> = createError(
  'LARDER_RESPONSE_CACHE_NO_GUARD',
  'A purge route needs a `guard`: a hook, or several, that refuse who may not purge',
)

/** A body of a purge request that names nothing to purge. */
export const BadPurgeError: FastifyErrorConstructor<{ code: 'LARDER_RESPONSE_CACHE_BAD_PURGE' }, [string]> =
  createError('LARDER_RESPONSE_CACHE_BAD_PURGE', 'Expected %s', 400)
