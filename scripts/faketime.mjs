// Finds the library by which the tests set the clock of a Redis server, or installs it where that is plain to do.
import { existsSync, readdirSync } from 'node:fs'
import { installByApt } from './programs.mjs'
import { say } from './workspace.mjs'

/**
 * The path of libfaketime: `LARDER_FAKETIME`, else Debian's, installed by apt as root. `undefined` where there is none: the tests that
 * need it are then skipped, each by its name.
 *
 * @returns {Promise<string | undefined>}
 */
export async function faketime() {
  const named = process.env.LARDER_FAKETIME
  if (named && existsSync(named)) return named
  if (process.platform !== 'linux') return undefined
  const found = library()
  if (found) return found
  await installByApt('libfaketime')
  const installed = library()
  if (installed === undefined)
    say('No libfaketime here: the tests that set a clock are skipped (LARDER_FAKETIME may name it)')
  return installed
}

/** Where Debian and others install it. */
function library() {
  const architectures = readdirSync('/usr/lib').filter((name) => name.includes('-linux-'))
  return [...architectures.map((name) => `/usr/lib/${name}`), '/usr/lib', '/usr/lib64', '/usr/local/lib']
    .map((folder) => `${folder}/faketime/libfaketime.so.1`)
    .find((path) => existsSync(path))
}
