import createError from '@fastify/error'

/** The shop cannot start; its message is the one line that people see. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** 404: there is no product of that id. */
export const ProductNotFoundError = createError<[number]>('SHOP_PRODUCT_NOT_FOUND', 'There is no product %d', 404)

/** 404: there is no such route. */
export const RouteNotFoundError = createError<[string, string]>(
  'SHOP_ROUTE_NOT_FOUND',
  'There is no route %s %s: /documentation lists all',
  404,
)

/** 400: a field has a value that its schema allows and the catalogue does not. The message names the field. */
export const BadFieldError = createError<[string, string]>('SHOP_BAD_FIELD', '%s %s', 400)

/** 400: no line of an import could be taken. The message names the first bad line. */
export const ImportRejectedError = createError<[string]>('SHOP_IMPORT_REJECTED', '%s', 400)

/** 401: the route is about whoever is logged in, and nobody is. */
export const UserRequiredError = createError('SHOP_USER_REQUIRED', 'Log in first: POST /session', 401)

/** 401: there is no such user, or the password is another one; which of both is told to nobody. */
export const BadCredentialsError = createError('SHOP_BAD_CREDENTIALS', 'The e-mail or the password is wrong', 401)

/** 429: too many wrong passwords came from there. */
export const TooManyAttemptsError = createError<[number]>(
  'SHOP_TOO_MANY_ATTEMPTS',
  'Too many wrong passwords, try again in %d seconds',
  429,
)

/** 404: the user has no session of that id. */
export const SessionNotFoundError = createError<[string]>('SHOP_SESSION_NOT_FOUND', 'You have no session %s', 404)

/** 404: there is no order of that id, or it is another user's. */
export const OrderNotFoundError = createError<[number]>('SHOP_ORDER_NOT_FOUND', 'You have no order %d', 404)

/** 409: there is less of a product than was ordered. */
export const OutOfStockError = createError<[number, number, string]>(
  'SHOP_OUT_OF_STOCK',
  'Only %d are left of product %d, %s',
  409,
)

/** 404: the member has no score on the board. */
export const MemberNotFoundError = createError<[string, string]>(
  'SHOP_MEMBER_NOT_FOUND',
  '%s has no score on the board %s',
  404,
)

/** 409: nobody may set scores of a board that follows the orders. */
export const BoardFedError = createError<[string]>('SHOP_BOARD_FED', 'The board %s is fed by orders', 409)

/** 422: the idempotency key stood for another order. */
export const KeyReusedError = createError<[string]>(
  'SHOP_IDEMPOTENCY_KEY_REUSED',
  'The Idempotency-Key %s stood for another order: send a new one',
  422,
)

/** 503: the order had lost its locks and others sold meanwhile; it sold nothing. */
export const OrderOvertakenError = createError(
  'SHOP_ORDER_OVERTAKEN',
  'Other orders overtook this one and nothing was sold, try again',
  503,
)

/** 503: the route has nothing to answer with while Redis is away. */
export const RedisUnavailableError = createError('SHOP_REDIS_UNAVAILABLE', 'Redis is away, try again', 503)

/** 503: the database is away, and no cached copy could answer instead. */
export const DatabaseUnavailableError = createError('SHOP_DATABASE_UNAVAILABLE', 'The database is away, try again', 503)
