// Finds the Redis server that the tests start, or installs one where that is plain to do.
import { installByApt, isExecutable, onPath } from './programs.mjs'
import { fail } from './workspace.mjs'

const NAMES = ['redis-server', 'valkey-server']
const ADVICE =
  'The tests need a Redis server: install redis-server or valkey-server, or name its binary in REDIS_SERVER.'

/**
 * The path of a Redis server's binary: `REDIS_SERVER`, else `redis-server` or `valkey-server` on `PATH`, else
 * installed by apt as root on Debian and Ubuntu, else this process ends with a line that says what to do.
 *
 * @returns {Promise<string>}
 */
export async function redisServer() {
  const named = process.env.REDIS_SERVER
  if (named) return isExecutable(named) ? named : fail(`REDIS_SERVER names ${named}, which is no executable file.`)
  const found = onPath(NAMES)
  if (found) return found
  await installByApt('redis-server')
  return onPath(NAMES) ?? fail(ADVICE)
}
