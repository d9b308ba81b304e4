// Finds the programs that the tests start, or installs them where that is plain to do.
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './command.mjs'
import { say } from './workspace.mjs'

/** The path of the first of these programs on `PATH`; `undefined` when there is none. */
export function onPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

/** Whether the file is there and may be run. */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * Installs a package by apt. `false` where that is not plain to do (not root, or not Debian or Ubuntu), or failed.
 *
 * @param {string} name
 * @returns {Promise<boolean>}
 */
export async function installByApt(name) {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !onPath(['apt-get'])) return false
  say(`Installing ${name} by apt`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args) => run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, onLine: () => {} })
  await apt('update')
  return (await apt('install', '-y', '--no-install-recommends', name)) === 0
}
