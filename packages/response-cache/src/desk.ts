import type { Cache, CallOptions, StaleWindows } from '@larder/cache-aside'
import type { ResolvedOptions } from './options.js'
import type { Kept, Page } from './page.js'
import type { Revalidations } from './revalidation.js'
import type { Sites } from './site.js'

/** What the requests of one registration share, once the application is ready. */
export interface Desk {
  readonly name: string
  /** The application: its `fastify.server`. */
  readonly app: object
  readonly cache: Cache
  readonly options: ResolvedOptions
  readonly revalidations: Revalidations
  readonly sites: Sites
  /** Whether somebody invalidates tags. */
  readonly tagged: boolean
  /** Called for the tags of a response that nobody would invalidate. */
  warnOfTags(): void
}

/** How long an index is kept: longer than what it stands for, in milliseconds. */
const INDEX_TIME = 86_400_000

/** How an index is kept; stale for a while after a soft purge. */
export const INDEX_WINDOWS: Required<StaleWindows> = { staleWhileRevalidate: INDEX_TIME, staleIfError: 0, retain: 0 }
export const INDEX_TTL: number = INDEX_TIME

/** How long a page is fresh from the moment that it is kept, in milliseconds. */
export function freshTime({ head }: Page): number {
  return head.validate ? 0 : Math.max(0, head.lifetime - head.age)
}

/** The options of `cache.set` for what the load of this epoch brought. */
export function settings(kept: Kept, epoch: number, tags: readonly string[]): CallOptions<Kept> {
  const tagged = tags.length > 0 ? { tags } : {}
  if (kept.kind !== 'page') return { ttl: INDEX_TTL, ...INDEX_WINDOWS, epoch }
  const { staleWhileRevalidate, staleIfError, retain } = kept.head
  // A ttl is positive.
  return { ttl: Math.max(1, freshTime(kept)), staleWhileRevalidate, staleIfError, retain, epoch, ...tagged }
}
