import type { Test } from 'tap'
import type { Site } from './setup.js'
import { loading } from './suite/loading.js'
import { many } from './suite/many.js'
import { namespaces } from './suite/namespaces.js'
import { plugins } from './suite/plugins.js'
import { reading } from './suite/reading.js'
import { removing } from './suite/removing.js'
import { staleness } from './suite/staleness.js'
import { tagging } from './suite/tagging.js'
import { timeouts } from './suite/timeouts.js'
import { values } from './suite/values.js'
import { wrapping } from './suite/wrapping.js'
import { writing } from './suite/writing.js'

/** What a cache does wherever it keeps its entries. */
export function behaves(t: Test, site: Site): void {
  reading(t, site)
  values(t, site)
  writing(t, site)
  many(t, site)
  removing(t, site)
  namespaces(t, site)
  wrapping(t, site)
  loading(t, site)
  staleness(t, site)
  timeouts(t, site)
  tagging(t, site)
  plugins(t, site)
}
