/** How an answer came about. */
export type How = 'hit' | 'stale' | 'miss' | 'joined' | 'bypass' | 'browser' | 'none'

/** What it is called, and what it means. */
export const MEANINGS: Record<How, [word: string, meaning: string]> = {
  hit: ['hit', 'from the cache'],
  stale: ['stale', 'from the cache, while it is loaded anew'],
  miss: ['miss', 'loaded from the database, and kept'],
  joined: ['joined', 'waited for a load that was under way'],
  bypass: ['bypass', 'from the database: the cache is off or away'],
  browser: ['browser', "from this browser's own copy"],
  none: ['uncached', 'not cached: it is your own, or always new'],
}

/**
 * Reads `Cache-Status` (RFC 9211), which lists the caches from the origin's outward: the last that had it answered; if none had, the
 * first says why the origin was asked.
 */
export function readCacheStatus(header: string | null): How {
  if (!header) return 'none'
  const caches = header.split(',').map((cache) => cache.trim())
  const answering = caches.findLast((cache) => /;\s*hit\b/.test(cache))
  if (answering) return /detail="?stale|ttl=-/.test(answering) ? 'stale' : 'hit'
  const first = caches[0] ?? ''
  if (/collapsed/.test(first)) return 'joined'
  return /fwd=(bypass|request|method)/.test(first) ? 'bypass' : 'miss'
}
