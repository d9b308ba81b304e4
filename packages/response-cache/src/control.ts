import { type Directives, parseCacheControl, type Scope } from './directives.js'
import type { Fields } from './fields.js'
import { parseTargeted } from './targeted.js'

/** What a response says of being stored and reused. Spans in seconds. */
export interface ResponseControl {
  /** By a field that targets caches like this one: `Expires` does not count. */
  readonly targeted: boolean
  readonly broken: boolean
  readonly noStore: boolean
  readonly mustUnderstand: boolean
  readonly private: Scope | undefined
  readonly noCache: Scope | undefined
  readonly mustRevalidate: boolean
  readonly proxyRevalidate: boolean
  readonly public: boolean
  readonly sharedMaxAge: number | undefined
  readonly maxAge: number | undefined
  readonly staleWhileRevalidate: number | undefined
  readonly staleIfError: number | undefined
}

/** Reads `CDN-Cache-Control`, else `Cache-Control` (RFC 9213, RFC 9111 section 5.2.2, RFC 5861). */
export function controlOf(fields: Fields): ResponseControl {
  const targeted = parseTargeted(fields['cdn-cache-control'])
  const directives = targeted ?? parseCacheControl(fields['cache-control'])
  return {
    targeted: targeted !== undefined,
    broken: directives.broken,
    noStore: directives.has('no-store'),
    mustUnderstand: directives.has('must-understand'),
    private: directives.scope('private'),
    noCache: directives.scope('no-cache'),
    mustRevalidate: directives.has('must-revalidate'),
    proxyRevalidate: directives.has('proxy-revalidate'),
    public: directives.has('public'),
    sharedMaxAge: directives.seconds('s-maxage'),
    maxAge: directives.seconds('max-age'),
    staleWhileRevalidate: directives.seconds('stale-while-revalidate'),
    staleIfError: directives.seconds('stale-if-error'),
  }
}

/** What a request says of what it may be answered with (RFC 9111 section 5.2.1). Spans in seconds. */
export interface RequestControl {
  readonly noStore: boolean
  readonly noCache: boolean
  readonly onlyIfCached: boolean
  readonly maxAge: number | undefined
  readonly minFresh: number | undefined
  readonly maxStale: number | undefined
}

/** Reads `Cache-Control`, or without it `Pragma: no-cache` (RFC 9111 section 5.4); `undefined` when nothing is said. */
export function requestControlOf(
  cacheControl: string | undefined,
  pragma: string | undefined,
): RequestControl | undefined {
  if (cacheControl === undefined && pragma === undefined) return undefined
  const directives: Directives = parseCacheControl(cacheControl ?? pragma)
  if (directives.empty) return undefined
  if (cacheControl === undefined) return directives.has('no-cache') ? PRAGMA : undefined
  return {
    noStore: directives.has('no-store'),
    noCache: directives.has('no-cache'),
    onlyIfCached: directives.has('only-if-cached'),
    maxAge: directives.seconds('max-age'),
    minFresh: directives.limit('min-fresh'),
    maxStale: directives.limit('max-stale'),
  }
}

const PRAGMA: RequestControl = {
  noStore: false,
  noCache: true,
  onlyIfCached: false,
  maxAge: undefined,
  minFresh: undefined,
  maxStale: undefined,
}
