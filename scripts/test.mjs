// npm test: from a bare checkout to one line of counts. What follows goes to turbo: `npm test -- --force` runs
// everything again, `npm test -- --filter=@larder/core` one package.
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from './chromium.mjs'
import { faketime } from './faketime.mjs'
import { findPrometheus } from './promtool.mjs'
import { redisServer } from './redis-server.mjs'
import { build, install, isChatter, isStart, root, say, turbo, workspacePackages } from './workspace.mjs'

const args = process.argv.slice(2)
const forced = args.includes('--force')
const NO_COUNTS = '\n0 passed, 1 failed, 0 skipped'

// Whatever ends this early, a log's reader looks for the counts in its last line. Interrupted runs exit with over 128.
process.on('exit', (code) => !reported && code < 128 && say(NO_COUNTS))
let reported = false

const env = { ...(await install()), REDIS_SERVER: await redisServer() }
say(`Redis server: ${env.REDIS_SERVER}`)
await findPrometheus()
env.LARDER_FAKETIME = (await faketime()) ?? ''
if (testsShop()) env.LARDER_CHROMIUM = (await chromium()) ?? ''
forgetCounts()
say('Building')
const builds = await build(['--continue=dependencies-successful', ...args], env)
forgetRemovedTests()
const servers = await sharedServers()
say('Testing')
const tests = await runTests()
await servers.stop()
process.exit(report() ? 0 : 1)

/** Whether the shop, whose pages need a browser, is among what is tested. */
function testsShop() {
  const filters = args.filter((arg) => arg.startsWith('--filter'))
  return filters.length === 0 || filters.some((filter) => filter.includes('demo'))
}

/** A run that crashes leaves no counts, and must not be taken for the one before it. */
function forgetCounts() {
  for (const { folder } of workspacePackages()) rmSync(join(folder, '.tap/summary.json'), { force: true })
}

/** tsc, or turbo's cache, leaves the compiled form of a test that was removed or renamed, and tap would run it for ever. */
function forgetRemovedTests() {
  for (const { folder } of workspacePackages().filter(({ folder }) => existsSync(join(folder, 'dist-test')))) {
    const compiled = readdirSync(join(folder, 'dist-test'), { recursive: true }).filter((name) => name.endsWith('.js'))
    for (const name of compiled) {
      const source = join(folder, 'test', name.replace(/js$/, 'ts'))
      if (!existsSync(source)) rmSync(join(folder, 'dist-test', name))
    }
  }
}

/** One Redis and one Cluster for all tests that are content with a namespace of their own. */
async function sharedServers() {
  const entry = join(root, 'packages/test-redis/dist/index.js')
  if (!existsSync(entry)) return { env: {}, stop: () => {} }
  process.env.REDIS_SERVER = env.REDIS_SERVER
  const { startShared } = await import(pathToFileURL(entry))
  return startShared()
}

/** Tests one package at a time and its files in parallel: that keeps the cores busy, and the output in order. */
function runTests() {
  const variables = {
    ...env,
    ...servers.env,
    TAP_JOBS: String(availableParallelism()),
    // Part of what turbo compares: forces the tests, and not the builds once more.
    ...(forced ? { TEST_RUN: randomUUID() } : {}),
  }
  const rest = args.filter((arg) => arg !== '--force')
  const options = [
    'run',
    'test',
    '--continue=dependencies-successful',
    '--output-logs=new-only',
    '--concurrency=1',
    ...rest,
  ]
  return turbo(options, variables, (line) => {
    const [, name, text] = /^(\S+):test: ?(.*)$/.exec(line) ?? []
    if (text && isStart(text)) say(`  ${name}`)
    else if (text?.startsWith('cache hit')) say(`  ${name}: nothing changed since it passed`)
    else if (text !== undefined && !isChatter(text)) say(`    ${text}`)
  })
}

/** Adds up the counts, names what was skipped and what failed; the last line is the counts. True when all is well. */
function report() {
  const sum = { pass: 0, fail: 0, skip: 0 }
  const failed = builds.tasks.filter(({ exitCode }) => exitCode !== 0).map((task) => `${task.package}: does not build`)
  for (const { package: name, folder, exitCode } of tests.tasks.filter(({ task }) => task === 'test')) {
    const counts = countsOf(folder)
    sum.pass += counts.pass
    sum.fail += counts.fail
    sum.skip += counts.skip + counts.todo
    for (const skipped of counts.skipped)
      say(`skipped: ${name} ${skipped.name} ${skipped.reason || '(no reason given)'}`)
    if (exitCode === 0) continue
    failed.push(`${name}: ${counts.fail ? `${counts.fail} failed` : `exited with ${exitCode}`}`)
    // Something failed that no test counted.
    if (counts.fail === 0) sum.fail++
  }
  for (const name of untested()) failed.push(`${name}: not tested`)
  for (const line of failed) say(`failed: ${line}`)
  const broken = builds.code !== 0 || tests.code !== 0
  if (broken && sum.fail === 0) sum.fail = 1
  reported = true
  say(`\n${sum.pass} passed, ${sum.fail} failed, ${sum.skip} skipped`)
  return !broken && sum.fail === 0
}

/** The packages that were not tested since something that they need does not build. */
function untested() {
  const tested = new Set(tests.tasks.filter(({ task }) => task === 'test').map((task) => task.package))
  return workspacePackages()
    .filter(({ manifest }) => manifest.scripts?.test && tests.packages.includes(manifest.name))
    .map(({ manifest }) => manifest.name)
    .filter((name) => !tested.has(name))
}

function countsOf(folder) {
  const none = { pass: 0, fail: 0, skip: 0, todo: 0, skipped: [] }
  try {
    return { ...none, ...JSON.parse(readFileSync(join(folder, '.tap/summary.json'), 'utf8')) }
  } catch {
    return none
  }
}
