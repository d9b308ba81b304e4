import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** Redis cannot be reached, and what was asked for was not done; its error is the `cause`. */
export const UnavailableError: FastifyErrorConstructor<
  { code: 'LARDER_WRITE_BEHIND_UNAVAILABLE' },
  [string, string, ErrorOptions?]
> = createError('LARDER_WRITE_BEHIND_UNAVAILABLE', '`%s` cannot be reached: %s', 503)

/** As many entries wait as `maxPending` allows; it was not taken. */
export const FullError: FastifyErrorConstructor<{ code: 'LARDER_WRITE_BEHIND_FULL' }, [string, number]> = createError(
  'LARDER_WRITE_BEHIND_FULL',
  '`%s` has %d entries waiting and takes no more',
  503,
)

/** Redis did not say whether it took the entry, and nothing may be kept in memory: it may be flushed, or not. */
export const InDoubtError: FastifyErrorConstructor<{ code: 'LARDER_WRITE_BEHIND_IN_DOUBT' }, [string, ErrorOptions?]> =
  createError('LARDER_WRITE_BEHIND_IN_DOUBT', '`%s` may have taken the entry or not: Redis did not answer', 503)

/** A value that cannot be counted or written as JSON, or a sum beyond 2^53. */
export const InvalidValueError: FastifyErrorConstructor<
  { code: 'LARDER_WRITE_BEHIND_INVALID_VALUE' },
  [string, ErrorOptions?]
> = createError('LARDER_WRITE_BEHIND_INVALID_VALUE', '%s', 500, TypeError)

/** `flush()` was not through in time; nothing is lost. */
export const TimeoutError: FastifyErrorConstructor<{ code: 'LARDER_WRITE_BEHIND_TIMEOUT' }, [string, number]> =
  createError('LARDER_WRITE_BEHIND_TIMEOUT', '`%s` was not flushed within %d ms', 503)

/** A batch that `flush()` waited for failed for good and is in the dead letters. */
export const DeadLetterError: FastifyErrorConstructor<{ code: 'LARDER_WRITE_BEHIND_DEAD_LETTER' }, [string]> =
  createError('LARDER_WRITE_BEHIND_DEAD_LETTER', 'A batch of `%s` could not be flushed and is in its dead letters', 500)

/** The reason of a batch's `signal`: others may flush it now, or the attempt took too long. */
export const AbandonedError: FastifyErrorConstructor<{ code: 'LARDER_WRITE_BEHIND_ABANDONED' }, [string, string]> =
  createError('LARDER_WRITE_BEHIND_ABANDONED', 'The attempt on batch %s was given up: %s', 503)

/** The application is closed. */
export const ClosedError: FastifyErrorConstructor<{ code: 'LARDER_WRITE_BEHIND_CLOSED' }, [string]> = createError(
  'LARDER_WRITE_BEHIND_CLOSED',
  '`%s` is closed',
  503,
)

/** A counter or queue of this name was already made by this registration. */
export const NameTakenError: FastifyErrorConstructor<{ code: 'LARDER_WRITE_BEHIND_NAME_TAKEN' }, [string]> =
  createError('LARDER_WRITE_BEHIND_NAME_TAKEN', 'There is already a counter or queue `%s`', 500)
