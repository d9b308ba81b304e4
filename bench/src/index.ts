import { eventing } from './events.js'
import { feed } from './feed.js'
import { footprint } from './footprint.js'
import type { Row } from './harness.js'
import { invalidate } from './invalidate.js'
import { leaderboards } from './leaderboard.js'
import { lockSuite } from './locks.js'
import { memory } from './memory.js'
import { metricsCost } from './metrics.js'
import { peers } from './peers.js'
import { processes } from './processes.js'
import { rateLimits } from './rate-limit.js'
import { redis } from './redis.js'
import { responses } from './responses.js'
import { sessions } from './sessions.js'
import type { Result, Suite } from './suite.js'
import { writesBehind } from './write-behind.js'

const SUITES: readonly Suite[] = [
  memory,
  redis,
  invalidate,
  feed,
  processes,
  footprint,
  peers,
  lockSuite,
  rateLimits,
  sessions,
  leaderboards,
  metricsCost,
  responses,
  writesBehind,
  eventing,
]

function isRow(result: Result): result is Row {
  return 'ratio' in result
}

function show(result: Result): string {
  if (!isRow(result))
    return `${result.reached ? 'ok  ' : 'MISS'} ${result.name}: ${result.value} (goal: ${result.goal})`
  const { contender, ratio, low, high, perSecond, goal } = result
  const mark = goal === undefined ? '    ' : ratio >= goal ? 'ok  ' : 'MISS'
  const wanted = goal === undefined ? '' : `  goal >= ${goal}`
  const speed = Math.round(perSecond).toLocaleString('en')
  return `${mark}   ${contender.padEnd(36)} ${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})  ${speed}/s${wanted}`
}

const wanted = process.argv.slice(2)
for (const suite of SUITES) {
  if (wanted.length > 0 && !wanted.includes(suite.name)) continue
  console.log(`\n# ${suite.name}`)
  let last = ''
  for (const result of await suite.run()) {
    if (isRow(result) && result.name !== last) console.log(`\n${result.name}`)
    last = result.name
    console.log(show(result))
  }
}
