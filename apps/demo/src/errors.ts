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

/** 401: the route needs to know whose cart or history is meant. */
export const UserRequiredError = createError('SHOP_USER_REQUIRED', 'Say who you are in the header `x-demo-user`', 401)

/** 503: the route has nothing to answer with while Redis is away. */
export const RedisUnavailableError = createError('SHOP_REDIS_UNAVAILABLE', 'Redis is away, try again', 503)

/** 503: the database is away, and no cached copy could answer instead. */
export const DatabaseUnavailableError = createError('SHOP_DATABASE_UNAVAILABLE', 'The database is away, try again', 503)
