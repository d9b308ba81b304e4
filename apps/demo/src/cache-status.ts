import type { Entry } from '@larder/cache-aside'

/**
 * What the cache did, as `Cache-Status` says it (RFC 9211). A negative ttl is how long the answer has been stale (section 2.4).
 *
 * @example
 * reply.header('cache-status', cacheStatus(entry)) // Larder; hit; ttl=512
 */
export function cacheStatus({ state, ttl }: Pick<Entry<unknown>, 'state' | 'ttl'>): string {
  const seconds = Math.floor(ttl / 1_000)
  switch (state) {
    case 'hit':
      return `Larder; hit; ttl=${seconds}`
    case 'stale':
      return `Larder; hit; ttl=${seconds}; detail=stale`
    case 'miss':
      return 'Larder; fwd=miss; stored'
    case 'coalesced':
      return 'Larder; fwd=miss; collapsed'
    case 'bypass':
      return 'Larder; fwd=bypass'
  }
}
