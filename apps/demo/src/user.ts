import type { FastifyRequest } from 'fastify'
import { UserRequiredError } from './errors.js'

/** The cookie of a session. */
export const SESSION_COOKIE = 'sessionId'

/** What OpenAPI says of routes that are about whoever is logged in. */
export const byUser = [{ session: [] }]

/** Who is logged in; `undefined` for strangers, and for all while sessions cannot be asked: for pages that all may see. */
export function userOf(request: FastifyRequest): string | undefined {
  if (request.cookies[SESSION_COOKIE] === undefined) return undefined
  try {
    return readUser(request)
  } catch {
    return undefined
  }
}

/**
 * Who is logged in.
 *
 * @throws UserRequiredError for strangers; `LARDER_SESSIONS_UNAVAILABLE` when nobody can say
 */
export function requireUser(request: FastifyRequest): string {
  const user = readUser(request)
  if (user === undefined) throw new UserRequiredError()
  return user
}

/** A hook that sends strangers away before their request is looked at. */
export async function refuseStrangers(request: FastifyRequest): Promise<void> {
  requireUser(request)
}

function readUser({ session }: FastifyRequest): string | undefined {
  return session.userId === undefined ? undefined : String(session.userId)
}
