import type { Test } from 'tap'
import { counting, queueing } from './entries.js'
import { burying, retrying } from './failures.js'
import type { Site } from './setup.js'
import { closing, pressing, sharing } from './sharing.js'

/** What counters and queues do wherever entries are kept. */
export function behaves(t: Test, site: Site): void {
  counting(t, site)
  queueing(t, site)
  retrying(t, site)
  burying(t, site)
  pressing(t, site)
  sharing(t, site)
  closing(t, site)
}
