import type { Test } from 'tap'
import type { Site } from './setup.js'
import { algorithms, basics } from './suite/counting.js'
import { costs, fields, policies } from './suite/fields.js'
import { keys } from './suite/keys.js'
import { limiters } from './suite/limiters.js'
import { pluginOptions } from './suite/plugin-options.js'
import { looks, refusals } from './suite/refusals.js'
import { routes } from './suite/routes.js'

/** What limits do, wherever they are kept. */
export function behaves(t: Test, site: Site): void {
  basics(t, site)
  algorithms(t, site)
  fields(t, site)
  costs(t, site)
  policies(t, site)
  keys(t, site)
  refusals(t, site)
  looks(t, site)
  limiters(t, site)
  routes(t, site)
  pluginOptions(t, site)
}
