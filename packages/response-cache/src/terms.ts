import { initialAge, type Transit } from './age.js'
import { controlOf, type ResponseControl } from './control.js'
import type { Scope } from './directives.js'
import { type Fields, textOf } from './fields.js'
import { parseHttpDate } from './http-date.js'

/** Final status codes whose meaning for caches is known here (RFC 9111 section 3, `must-understand`). */
const UNDERSTOOD = new Set([
  200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503, 504,
])
/** May be kept without being told so (RFC 9110 section 15.1). */
const HEURISTIC = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])
/** What the `ttl` of a route is for: answers, not errors. */
const ANSWERS = new Set([200, 203, 204, 300, 301, 308])

/** Share of its age at which a response is expected to hold for as long again, and the most that is expected (RFC 9111 section 4.2.2). */
const HEURISTIC_SHARE = 0.1
const LONGEST_HEURISTIC = 86_400_000
/** What can be revalidated is kept for that at least, and at most, in milliseconds. */
const SHORTEST_RETENTION = 60_000
const LONGEST_RETENTION = 86_400_000

/** A response of the handler, before it is sent. */
export interface Response {
  readonly status: number
  readonly fields: Fields
  readonly transit: Transit
}

/** Who asked, and how the route is to be kept. Spans in milliseconds. */
export interface Policy {
  /** Kept for one user alone. */
  readonly personal: boolean
  /** The request bore `Authorization`, or came in a session. */
  readonly authorized: boolean
  /** The request bore cookies that may have chosen the response. */
  readonly cookies: boolean
  readonly ttl: number | undefined
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly heuristics: boolean
}

/** How a response is kept. Spans in milliseconds. */
export interface Terms {
  /** Age when it came. */
  readonly age: number
  /** Fresh until it is that old. */
  readonly lifetime: number
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  /** How long it is kept to be revalidated. */
  readonly retain: number
  /** May answer requests that bear `Authorization`, or a session. */
  readonly shared: boolean
  /** Never without asking the origin. */
  readonly validate: boolean
  /** Fields that are not kept. */
  readonly omit: readonly string[]
}

/** The terms, or the reason why it is not kept. */
export type Verdict = { readonly store: true; readonly terms: Terms } | { readonly store: false; readonly why: string }

/** Decides whether a response to GET is kept, and how (RFC 9111 sections 3, 3.5 and 4.2). */
export function termsOf(response: Response, policy: Policy): Verdict {
  const { status, fields } = response
  const control = controlOf(fields)
  const why = refusal(status, fields, control, policy)
  if (why !== undefined) return { store: false, why }
  const omit = omitted(fields, control, policy)
  if (omit === undefined) return { store: false, why: 'set-cookie' }
  const lifetime = lifetimeOf(response, control, policy)
  if (lifetime === undefined) return { store: false, why: 'no-freshness' }

  const age = initialAge(fields, response.transit)
  const validate = control.noCache === 'all'
  // "By an explicit in-protocol directive": RFC 9111 section 4.2.4.
  const strict = validate || control.mustRevalidate || (!policy.personal && isProxyStrict(control))
  const late = Math.max(0, age - lifetime)
  const window = (seconds: number | undefined, otherwise: number): number =>
    strict ? 0 : Math.max(0, (seconds === undefined ? otherwise : seconds * 1_000) - late)
  const staleWhileRevalidate = window(control.staleWhileRevalidate, policy.staleWhileRevalidate)
  const staleIfError = window(control.staleIfError, policy.staleIfError)
  const validators = fields.etag !== undefined || fields['last-modified'] !== undefined
  const retain = validators ? Math.min(Math.max(lifetime, SHORTEST_RETENTION), LONGEST_RETENTION) : 0
  const fresh = validate ? 0 : Math.max(0, lifetime - age)
  if (fresh + staleWhileRevalidate + staleIfError + retain === 0) return { store: false, why: 'stale' }
  const shared = policy.personal || isShared(control)
  return { store: true, terms: { age, lifetime, staleWhileRevalidate, staleIfError, retain, shared, validate, omit } }
}

function refusal(status: number, fields: Fields, control: ResponseControl, policy: Policy): string | undefined {
  if (status < 200 || status === 206 || status === 304) return 'status'
  if (control.broken) return 'cache-control'
  if (control.mustUnderstand ? !UNDERSTOOD.has(status) : control.noStore) return 'no-store'
  if (policy.personal) return undefined
  if (control.private === 'all') return 'private'
  if (policy.authorized && !isShared(control)) return 'authorization'
  if (policy.cookies && !control.public && control.sharedMaxAge === undefined && !variesByCookie(fields))
    return 'cookie'
  return undefined
}

/** What allows a response to a request with `Authorization` to be shared (RFC 9111 section 3.5). */
function isShared(control: ResponseControl): boolean {
  return control.public || control.sharedMaxAge !== undefined || control.mustRevalidate
}

function isProxyStrict(control: ResponseControl): boolean {
  return control.proxyRevalidate || control.sharedMaxAge !== undefined
}

function variesByCookie(fields: Fields): boolean {
  return /(?:^|[ \t,])cookie(?:$|[ \t,])/i.test(textOf(fields.vary) ?? '')
}

/** Fields named by `private` and `no-cache`, and cookies of a response that is public; `undefined` for cookies of any other. */
function omitted(fields: Fields, control: ResponseControl, policy: Policy): readonly string[] | undefined {
  const names = [...namesOf(control.noCache), ...(policy.personal ? [] : namesOf(control.private))]
  if (fields['set-cookie'] === undefined || names.includes('set-cookie')) return names
  return control.public && !policy.personal ? [...names, 'set-cookie'] : undefined
}

function namesOf(scope: Scope | undefined): readonly string[] {
  return scope === undefined || scope === 'all' ? [] : scope
}

/** `freshness_lifetime` (RFC 9111 section 4.2.1), else the route's, else a guess (section 4.2.2). */
function lifetimeOf(
  { status, fields, transit: { came } }: Response,
  control: ResponseControl,
  policy: Policy,
): number | undefined {
  if (!policy.personal && control.sharedMaxAge !== undefined) return control.sharedMaxAge * 1_000
  if (control.maxAge !== undefined) return control.maxAge * 1_000
  const date = parseHttpDate(textOf(fields.date) ?? '', came) ?? came
  if (fields.expires !== undefined && !control.targeted) {
    const expires = typeof fields.expires === 'string' ? parseHttpDate(fields.expires, came) : undefined
    return expires === undefined ? 0 : Math.max(0, expires - date)
  }
  if (policy.ttl !== undefined && ANSWERS.has(status)) return policy.ttl
  // Nothing says how long it holds, but that it may be kept and must be asked about.
  if (control.noCache === 'all') return 0
  if (!policy.heuristics || !(HEURISTIC.has(status) || control.public)) return undefined
  const modified = parseHttpDate(textOf(fields['last-modified']) ?? '', came)
  if (modified === undefined || modified > date) return undefined
  return Math.min((date - modified) * HEURISTIC_SHARE, LONGEST_HEURISTIC)
}
