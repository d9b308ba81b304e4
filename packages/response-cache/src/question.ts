import type { FastifyRequest } from 'fastify'
import type { Happened } from './cache-status.js'
import { type RequestControl, requestControlOf } from './control.js'
import { isAuthorized } from './credentials.js'
import type { Desk } from './desk.js'
import type { ResolvedRoute } from './options.js'
import type { Page } from './page.js'
import { primaryKey } from './slot.js'

/** What a request asks for, and who asks. */
export interface Question {
  readonly control: RequestControl | undefined
  readonly site: string
  readonly user: string | number | undefined
  readonly authorized: boolean
  /** Where the answer is looked for first. */
  readonly key: string
}

/** What the handler is run for, and not for the sake of the cache. */
export interface Alone {
  readonly fwd: Exclude<Happened['fwd'], undefined>
  readonly detail?: string
  readonly collapsed?: boolean
  /** Under it stands that nothing can be kept. */
  readonly passed?: string
  /** What GET brought, where HEAD is asked of the handler. */
  readonly known?: { readonly key: string; readonly page: Page }
}

/** Reads what a request for a route asks for. */
export function questionOf({ sites }: Desk, route: ResolvedRoute, request: FastifyRequest): Question {
  const { headers } = request
  const user = route.private?.(request) ?? undefined
  return {
    control: requestControlOf(headers['cache-control'], headers.pragma as string | undefined),
    site: sites.of(request),
    user,
    authorized: user === undefined && isAuthorized(request),
    key: primaryKey(targetOf(request), user),
  }
}

/** What was asked for; where the application rewrites URLs, both forms tell. */
export function targetOf(request: FastifyRequest): string {
  const { url, originalUrl } = request
  return url === originalUrl ? url : `${url} ${originalUrl}`
}

/** Why the cache is not asked. Ranges and preconditions of other methods go on to the handler, which may understand them. */
export function bypassOf(
  { headers, originalUrl }: FastifyRequest,
  control: RequestControl | undefined,
): Alone | undefined {
  if (control?.noStore) return { fwd: 'request', detail: 'no-store' }
  if (headers.range !== undefined || headers['if-range'] !== undefined) return { fwd: 'bypass', detail: 'range' }
  if (headers['if-match'] !== undefined || headers['if-unmodified-since'] !== undefined)
    return { fwd: 'bypass', detail: 'precondition' }
  // A whole URL as target names a host beside `Host`, and the handler may go by either (RFC 9112 section 3.2.2).
  if (!originalUrl.startsWith('/')) return { fwd: 'bypass', detail: 'target' }
  if (headers.upgrade !== undefined) return { fwd: 'bypass', detail: 'upgrade' }
  // The content of a GET is no part of the key.
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)
    return { fwd: 'bypass', detail: 'content' }
  return undefined
}
