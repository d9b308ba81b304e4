// Finds Prometheus, by which the tests check rules and dashboard, or installs it where that is plain to do.
import { installByApt, onPath } from './programs.mjs'
import { say } from './workspace.mjs'

/**
 * Sees to it that `prometheus` and `promtool` are on `PATH`: installs them by apt as root on Debian and Ubuntu. Without them their
 * tests are skipped by name.
 */
export async function findPrometheus() {
  if (onPath(['promtool'])) return
  await installByApt('prometheus')
  if (!onPath(['promtool'])) say('No Prometheus here: the tests that need it are skipped')
}
