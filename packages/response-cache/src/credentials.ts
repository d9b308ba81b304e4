import type { FastifyRequest } from 'fastify'

/**
 * Whether a request tells who asks: it bears `Authorization`, or came in a session that holds something. A session that cannot be read
 * counts as one.
 */
export function isAuthorized(request: FastifyRequest): boolean {
  const { headers } = request
  if (headers.authorization !== undefined) return true
  return headers.cookie !== undefined && hasSession(request)
}

function hasSession(request: FastifyRequest): boolean {
  try {
    const { session } = request as { session?: unknown }
    if (typeof session !== 'object' || session === null) return false
    return Object.entries(session).some(([name, value]) => !NOT_DATA.has(name) && isData(value))
  } catch {
    return true
  }
}

/** What `@fastify/session` keeps on every session. */
const NOT_DATA = new Set(['cookie', 'sessionId', 'encryptedSessionId'])

function isData(value: unknown): boolean {
  return value !== undefined && value !== null && typeof value !== 'function'
}
