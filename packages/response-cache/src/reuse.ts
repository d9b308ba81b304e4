import type { RequestControl } from './control.js'
import type { Page } from './page.js'

/** What a page that was found is good for. `validate`: the handler must be asked; `forbidden`: not for who asks. */
export type Reuse = 'use' | 'validate' | 'forbidden'

/** A page that was found, and how old it is, in milliseconds. */
export interface FoundPage {
  readonly page: Page
  /** Since it was kept. */
  readonly resident: number
  /** Just loaded, or validated, on behalf of this request. */
  readonly current: boolean
}

/** How old a page is (RFC 9111 section 4.2.3). */
export function ageOf({ page, resident }: FoundPage): number {
  return page.head.age + resident
}

/** How long it is still fresh: negative when it is stale. */
export function ttlOf(found: FoundPage): number {
  return found.page.head.lifetime - ageOf(found)
}

/** Whether a page may answer a request (RFC 9111 sections 3.5, 4 and 5.2.1). What the cache hands out stale may be served so. */
export function reuseOf(found: FoundPage, control: RequestControl | undefined, authorized: boolean): Reuse {
  const { head } = found.page
  if (authorized && !head.shared) return 'forbidden'
  if (found.current) return 'use'
  if (head.validate) return 'validate'
  if (control === undefined) return 'use'
  if (control.noCache) return 'validate'
  const age = ageOf(found)
  const ttl = ttlOf(found)
  if (control.maxAge !== undefined && age > control.maxAge * 1_000) return 'validate'
  if (control.minFresh !== undefined && ttl < control.minFresh * 1_000) return 'validate'
  const { maxStale } = control
  if (maxStale !== undefined) return -ttl <= maxStale * 1_000 ? 'use' : 'validate'
  // Who names an age does not want what is stale, unless he says so (RFC 9111 section 5.2.1.1).
  return ttl < 0 && (control.maxAge !== undefined || control.minFresh !== undefined) ? 'validate' : 'use'
}
