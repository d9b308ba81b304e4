import type { Test } from 'tap'
import type { Site } from './setup.js'
import { atRest } from './suite/at-rest.js'
import { cookies } from './suite/cookies.js'
import { devices } from './suite/devices.js'
import { resurrections, rotations } from './suite/endings.js'
import { fields } from './suite/fields.js'
import { logins } from './suite/logins.js'
import { methods } from './suite/methods.js'
import { timeouts } from './suite/timeouts.js'

/** What sessions do wherever they are kept. */
export function behaves(t: Test, site: Site): void {
  fields(t, site)
  logins(t, site)
  resurrections(t, site)
  rotations(t, site)
  cookies(t, site)
  timeouts(t, site)
  devices(t, site)
  atRest(t, site)
  methods(t, site)
}
