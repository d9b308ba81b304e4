import type { Test } from 'tap'
import type { Site } from './setup.js'
import { fencing, leases } from './suite/leases.js'
import { closing, mutexes, routines } from './suite/mutex.js'
import { leaving, queueing } from './suite/queueing.js'
import { sets } from './suite/sets.js'
import { readersAndWriters, semaphores } from './suite/sharing.js'
import { turmoil } from './suite/turmoil.js'

/** What locks do wherever leases are kept. */
export function behaves(t: Test, site: Site): void {
  mutexes(t, site)
  queueing(t, site)
  leaving(t, site)
  leases(t, site)
  fencing(t, site)
  routines(t, site)
  semaphores(t, site)
  readersAndWriters(t, site)
  sets(t, site)
  turmoil(t, site)
  closing(t, site)
}
