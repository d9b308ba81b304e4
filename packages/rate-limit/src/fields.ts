import type { Policy } from './algorithm.js'
import type { Quota, Verdict } from './store.js'

/**
 * The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10, section 3): what each policy allows, windows in seconds.
 *
 * @example '"default";q=100;w=60, "burst";q=10;w=1'
 */
export function policyField(policies: readonly Policy[]): string {
  return policies.map(({ name, max, window }) => `"${name}";q=${max};w=${Math.ceil(window / 1_000)}`).join(', ')
}

/**
 * The value of `RateLimit` (section 4): what remains of each policy, and in how many seconds all of it is free again. For a refused
 * request only the policies that refused it, with the time of `Retry-After`, which must not come earlier. Empty: nobody decided.
 *
 * @example '"default";r=99;t=60, "burst";r=9;t=1'
 */
export function limitField(policies: readonly Policy[], { refusals, wait, quotas }: Verdict): string {
  if (refusals === 0) {
    let field = ''
    for (let i = 0; i < quotas.length; i++) {
      const { name, max } = policies[i] as Policy
      const { used, reset } = quotas[i] as Quota
      field += `${i > 0 ? ', ' : ''}"${name}";r=${Math.max(0, max - used)};t=${Math.ceil(reset / 1_000)}`
    }
    return field
  }
  const seconds = Math.ceil(wait / 1_000)
  const refusing = policies.filter((_, i) => (quotas[i]?.wait ?? 0) > 0)
  // Held back for its refusals alone, by `ban`, `continueExceeding` or `exponentialBackoff`.
  const named = refusing.length > 0 ? refusing : policies.slice(0, 1)
  return named.map(({ name }) => `"${name}";r=0;t=${seconds}`).join(', ')
}
