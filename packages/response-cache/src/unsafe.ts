import type { FastifyReply, FastifyRequest } from 'fastify'
import { publish } from './channel.js'
import type { Desk } from './desk.js'
import { textOf, toFields } from './fields.js'
import type { ResolvedRoute } from './options.js'
import { targetOf } from './question.js'
import { primaryKey } from './slot.js'

/** Changes nothing (RFC 9110 section 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND', 'REPORT', 'SEARCH'])

/** Whether a method may change what is kept; unknown ones may. */
export function isUnsafe(method: string): boolean {
  return !SAFE.has(method)
}

/**
 * What is kept under the URI of a request that may have changed it, and under those that its answer names in `Location` and
 * `Content-Location`, is gone before the client has the answer; not when it failed (RFC 9111 section 4.4).
 */
export async function invalidateAfter(
  desk: Desk,
  route: ResolvedRoute | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  if (reply.statusCode < 200 || reply.statusCode >= 400) return
  const urls = new Set([targetOf(request)])
  const { location, 'content-location': contentLocation } = toFields(reply.getHeaders())
  for (const field of [location, contentLocation]) {
    const url = resolveLocal(textOf(field), request)
    if (url !== undefined) urls.add(url)
  }
  const user = route?.private?.(request) ?? undefined
  const keys = [...urls].flatMap((url) => [primaryKey(url), ...(user === undefined ? [] : [primaryKey(url, user)])])
  publish({ type: 'purge', cache: desk.name, app: desk.app, what: 'unsafe' })
  await desk.cache.delete(...keys)
}

/** The path and query that a field names, if it is of the same origin: nobody else's may be emptied (RFC 9111 section 4.4). */
export function resolveLocal(field: string | undefined, request: FastifyRequest): string | undefined {
  if (field === undefined) return undefined
  try {
    const own = new URL(`${request.protocol}://${request.host}`)
    const url = new URL(field, new URL(request.originalUrl, own))
    return url.origin === own.origin ? url.pathname + url.search : undefined
  } catch {
    return undefined
  }
}
