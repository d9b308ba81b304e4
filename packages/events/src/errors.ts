import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** Redis could not be asked, or did not answer within `deadline`; its error is the `cause`. What was sent may still have happened. */
export const UnavailableError: FastifyErrorConstructor<
  { code: 'LARDER_EVENTS_UNAVAILABLE' },
  [string, string, ErrorOptions?]
> = createError('LARDER_EVENTS_UNAVAILABLE', '`%s` cannot be reached: %s', 503)

/** A payload that cannot be sent: it is no JSON, longer than `maxPayloadBytes`, or not what the schema says. Nothing was sent. */
export const InvalidPayloadError: FastifyErrorConstructor<
  { code: 'LARDER_EVENTS_INVALID_PAYLOAD' },
  [string, string, ErrorOptions?]
> = createError('LARDER_EVENTS_INVALID_PAYLOAD', 'The payload for `%s` cannot be sent: %s', 500, TypeError)
