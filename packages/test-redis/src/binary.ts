import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['redis-server', 'valkey-server']

/**
 * Finds the Redis server to start: the environment variable `REDIS_SERVER`, else `redis-server` or
 * `valkey-server` on `PATH`.
 *
 * @throws Error that says what to do when there is none
 */
export function findServerBinary(env: NodeJS.ProcessEnv = process.env): string {
  const named = env.REDIS_SERVER
  if (named) {
    if (isExecutable(named)) return named
    throw new Error(`REDIS_SERVER names ${named}, which is no executable file`)
  }
  for (const name of NAMES) {
    for (const folder of (env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name)
      if (folder && isExecutable(path)) return path
    }
  }
  throw new Error(
    'The tests need a Redis server: install redis-server or valkey-server, or name its binary in REDIS_SERVER',
  )
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
