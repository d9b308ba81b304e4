import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** The lock was not free within `wait`. */
export const TimeoutError: FastifyErrorConstructor<{ code: 'LARDER_LOCKS_TIMEOUT' }, [string, number]> = createError(
  'LARDER_LOCKS_TIMEOUT',
  'The lock `%s` was not free within %d ms',
  503,
)

/** Redis could not be asked, or did not answer within `deadline`; its error is the `cause`. */
export const UnavailableError: FastifyErrorConstructor<
  { code: 'LARDER_LOCKS_UNAVAILABLE' },
  [string, string, ErrorOptions?]
> = createError('LARDER_LOCKS_UNAVAILABLE', 'The lock `%s` cannot be had or given back: %s', 503)

/** Why a lock's signal was aborted: its lease is over, or others have it. */
export const LostError: FastifyErrorConstructor<{ code: 'LARDER_LOCKS_LOST' }, [string, string]> = createError(
  'LARDER_LOCKS_LOST',
  'The lock `%s` was lost: %s',
  503,
)

/** Fewer replicas than `requireReplicas` confirmed the lease within `deadline`; it was released. */
export const ReplicasError: FastifyErrorConstructor<{ code: 'LARDER_LOCKS_REPLICAS' }, [string, number, number]> =
  createError('LARDER_LOCKS_REPLICAS', 'The lock `%s` needs %d replicas, %d confirmed it', 503)
