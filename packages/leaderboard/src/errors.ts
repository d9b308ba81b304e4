import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** Redis could not be asked, refused, or did not answer within `deadline`; its error is the `cause`. */
export const UnavailableError: FastifyErrorConstructor<
  { code: 'LARDER_LEADERBOARD_UNAVAILABLE' },
  [string, string, ErrorOptions?]
> = createError('LARDER_LEADERBOARD_UNAVAILABLE', 'The leaderboard `%s` cannot be had: %s', 503)

/** A score, or what an increment would make of one, that is no finite number. Nothing was changed. */
export const InvalidScoreError: FastifyErrorConstructor<{ code: 'LARDER_LEADERBOARD_INVALID_SCORE' }, [string]> =
  createError('LARDER_LEADERBOARD_INVALID_SCORE', 'Expected a score to be a finite number, got %s', 500, TypeError)
