// Finds Prometheus, by which the tests check rules and dashboard, or installs it where that is plain to do.
import { existsSync } from 'node:fs'
import { run } from './command.mjs'
import { onPath } from './redis-server.mjs'
import { say } from './workspace.mjs'

/**
 * Sees to it that `prometheus` and `promtool` are on `PATH`: installs them by apt as root on Debian and Ubuntu. Without them their
 * tests are skipped by name.
 */
export async function findPrometheus() {
  if (onPath(['promtool']) || process.getuid?.() !== 0 || !existsSync('/etc/debian_version') || !onPath(['apt-get']))
    return
  say('Installing prometheus by apt')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args) => run('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, onLine: () => {} })
  await apt('update')
  const code = await apt('install', '-y', '--no-install-recommends', 'prometheus')
  if (code !== 0) say('apt could not install prometheus: the tests that need it are skipped')
}
