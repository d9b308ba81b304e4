// Finds the browser that the tests of the shop's pages drive, or installs one where that is plain to do.
import { installByApt, isExecutable, onPath } from './programs.mjs'
import { say } from './workspace.mjs'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/**
 * The path of a Chromium: `LARDER_CHROMIUM`, else on `PATH`, else Debian's, installed by apt as root. `undefined` where there is none:
 * the tests that need it are then skipped, each by its name.
 *
 * @returns {Promise<string | undefined>}
 */
export async function chromium() {
  const named = process.env.LARDER_CHROMIUM
  if (named && isExecutable(named)) return named
  const found = onPath(NAMES)
  if (found) return found
  // Ubuntu's package of that name is another thing: it may leave no browser behind.
  await installByApt('chromium')
  const installed = onPath(NAMES)
  if (installed === undefined)
    say('No Chromium here: the tests of the pages are skipped (LARDER_CHROMIUM may name one)')
  return installed
}
