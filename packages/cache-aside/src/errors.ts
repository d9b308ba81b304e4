import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** A load took longer than its hard `timeout`. Its late result goes nowhere. */
export const LoadTimeoutError: FastifyErrorConstructor<{ code: 'LARDER_CACHE_LOAD_TIMEOUT' }, [string, number]> =
  createError('LARDER_CACHE_LOAD_TIMEOUT', 'Loading `%s` took longer than %d ms', 504)

/** The codec cannot represent a value: it is circular, say, or holds a `bigint`. */
export const NotSerializableError: FastifyErrorConstructor<
  { code: 'LARDER_CACHE_NOT_SERIALIZABLE' },
  [string, string, ErrorOptions?]
> = createError(
  'LARDER_CACHE_NOT_SERIALIZABLE',
  'The value of `%s` cannot be encoded by the codec `%s`',
  500,
  TypeError,
)

/** A value given to `set` or `writeThrough` is larger than `maxValueBytes`. A loaded one is returned, and not kept. */
export const ValueTooLargeError: FastifyErrorConstructor<
  { code: 'LARDER_CACHE_VALUE_TOO_LARGE' },
  [string, number, number]
> = createError('LARDER_CACHE_VALUE_TOO_LARGE', 'The value of `%s` takes %d bytes, more than `maxValueBytes` (%d)', 500)

/** `tags` were used, and no registration of `@larder/tags` covers this cache. */
export const TagsNotRegisteredError: FastifyErrorConstructor<{ code: 'LARDER_CACHE_TAGS_NOT_REGISTERED' }, [string]> =
  createError(
    'LARDER_CACHE_TAGS_NOT_REGISTERED',
    'An entry of the namespace `%s` bears tags, but nothing invalidates them: register @larder/tags, without a `namespace` or with this one',
  )

/** The cache was used after its application was closed. */
export const ClosedError: FastifyErrorConstructor<{ code: 'LARDER_CACHE_CLOSED' }, []> = createError(
  'LARDER_CACHE_CLOSED',
  'The cache is closed',
  503,
)

/** A batch loader answered with something else than a list of as many values as it was given keys. */
export const LoadManyError: FastifyErrorConstructor<{ code: 'LARDER_CACHE_LOAD_MANY' }, [number]> = createError(
  'LARDER_CACHE_LOAD_MANY',
  'Expected the batch loader to answer with an array of %d values, one for each key, in their order',
  500,
  TypeError,
)
