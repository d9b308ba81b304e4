import createError, { type FastifyErrorConstructor } from '@fastify/error'

/** Redis could not be asked, or did not answer within `deadline`; its error is the `cause`. */
export const UnavailableError: FastifyErrorConstructor<
  { code: 'LARDER_SESSIONS_UNAVAILABLE' },
  [string, ErrorOptions?]
> = createError('LARDER_SESSIONS_UNAVAILABLE', 'Sessions are unavailable: %s', 503)

/** A session was to be rotated that had been ended meanwhile. */
export const EndedError: FastifyErrorConstructor<{ code: 'LARDER_SESSIONS_ENDED' }> = createError(
  'LARDER_SESSIONS_ENDED',
  'The session has ended',
  401,
)

/** `request.session.userId` was assigned: only a login binds a session to a user. */
export const UserError: FastifyErrorConstructor<{ code: 'LARDER_SESSIONS_USER' }> = createError(
  'LARDER_SESSIONS_USER',
  'A session is bound to a user by `request.login()` only, not by assigning `request.session.userId`',
)

/** A field of the session is no JSON: a BigInt, a circle. */
export const NotSerializableError: FastifyErrorConstructor<
  { code: 'LARDER_SESSIONS_NOT_SERIALIZABLE' },
  [string, string, ErrorOptions?]
> = createError(
  'LARDER_SESSIONS_NOT_SERIALIZABLE',
  'The field `%s` of the session cannot be kept as JSON: %s',
  500,
  TypeError,
)

/** `request.session` is there already: from `@fastify/session`, or another registration of this plugin. */
export const RegisteredError: FastifyErrorConstructor<{ code: 'LARDER_SESSIONS_REGISTERED' }> = createError(
  'LARDER_SESSIONS_REGISTERED',
  '`request.session` is taken: remove the registration of `@fastify/session` (this plugin makes it), or register in a context of its own',
)

/** The installed `@fastify/session` is not built as this plugin needs it. */
export const IncompatibleError: FastifyErrorConstructor<{ code: 'LARDER_SESSIONS_INCOMPATIBLE' }, [string]> =
  createError('LARDER_SESSIONS_INCOMPATIBLE', 'The installed `@fastify/session` cannot be used: %s')

/** A login over plain HTTP with `cookie.secure: true`: the browser would never send the cookie. */
export const InsecureError: FastifyErrorConstructor<{ code: 'LARDER_SESSIONS_INSECURE' }> = createError(
  'LARDER_SESSIONS_INSECURE',
  "A login over plain HTTP with `cookie.secure: true`: set `trustProxy` behind a TLS proxy, or `secure: 'auto'`",
)
