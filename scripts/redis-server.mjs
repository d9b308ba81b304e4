// Finds the Redis server that the tests start, or installs one where that is plain to do.
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './command.mjs'
import { fail, say } from './workspace.mjs'

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
  return onPath(NAMES) ?? (await installed())
}

async function installed() {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !onPath(['apt-get'])) return fail(ADVICE)
  say('Installing redis-server by apt')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args) => run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, onLine: () => {} })
  await apt('update')
  const code = await apt('install', '-y', '--no-install-recommends', 'redis-server')
  return (code === 0 && onPath(NAMES)) || fail(`apt could not install redis-server. ${ADVICE}`)
}

/** The first of these programs that is on `PATH`. */
export function onPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
