import { readFileSync } from 'node:fs'
import { createStore } from '@larder/rate-limit'
import { sharedRedis } from '@larder/test-redis'
import * as fc from 'fast-check'
import t from 'tap'
import { ALGORITHMS, type Entered, mostWithin, Played, RUNS, type Schedule, schedules } from './schedule.js'

t.setTimeout(RUNS * 100)

/** Runs a property over random schedules; a counterexample fails the test with its seed. */
function holds<Ts extends [unknown, ...unknown[]]>(property: fc.IProperty<Ts>, numRuns = RUNS): void {
  fc.assert(property, { numRuns })
}

t.test('sliding-window: no window of any schedule has more than max', { timeout: RUNS * 50 }, async () => {
  holds(
    fc.property(schedules, (schedule) => {
      const entered = new Played(createStore, { algorithm: 'sliding-window' }).play(schedule)
      // Also with the window's end included: `window + 1` whole milliseconds.
      return mostWithin(entered, schedule.window) <= schedule.max
    }),
  )
})

t.test(
  'gcra: no span of any schedule has more than max and what drains meanwhile',
  { timeout: RUNS * 50 },
  async () => {
    holds(
      fc.property(schedules, fc.integer({ min: 1, max: 30 }), (schedule, tenths) => {
        const entered = new Played(createStore, { algorithm: 'gcra' }).play(schedule)
        const span = Math.ceil((schedule.window * tenths) / 10)
        return mostWithin(entered, span) <= schedule.max + (span * schedule.max) / schedule.window
      }),
    )
  },
)

t.test('fixed-window: no window of any schedule has more than twice max', { timeout: RUNS * 50 }, async () => {
  holds(
    fc.property(schedules, (schedule) => {
      const entered = new Played(createStore, { algorithm: 'fixed-window' }).play(schedule)
      return mostWithin(entered, schedule.window) <= 2 * schedule.max
    }),
  )
})

t.test(
  'sliding-window: nobody is refused who would have room in an exact log of a window and a thirtieth',
  { timeout: RUNS * 50 },
  async () => {
    holds(
      fc.property(schedules, (schedule) => {
        const played = new Played(createStore, { algorithm: 'sliding-window' })
        const entered: Entered[] = []
        const late = Math.ceil(schedule.window / 30)
        for (const { after, cost } of schedule.steps) {
          played.now += after
          const inUse = entered
            .filter(({ at }) => at > played.now - schedule.window - late)
            .reduce((units, one) => units + one.cost, 0)
          const { current } = played.ask(schedule, cost)
          if (current <= schedule.max) entered.push({ at: played.now, cost })
          else if (inUse + cost <= schedule.max) return false
        }
        return true
      }),
    )
  },
)

for (const algorithm of ALGORITHMS) {
  t.test(
    `${algorithm}: a refused request is let in when it was told, and not a millisecond before`,
    { timeout: RUNS * 50 },
    async () => {
      holds(
        fc.property(schedules, (schedule) => {
          const played = new Played(createStore, { algorithm })
          let refused: { steps: Schedule['steps']; cost: number; ttl: number } | undefined
          for (const [i, { after, cost }] of schedule.steps.entries()) {
            played.now += after
            const { current, ttl } = played.ask(schedule, cost)
            if (current <= schedule.max) continue
            if (!(ttl >= 1 && Number.isInteger(ttl) && ttl <= schedule.window)) return false
            if (cost <= schedule.max) refused = { steps: schedule.steps.slice(0, i + 1), cost, ttl }
          }
          if (refused === undefined) return true
          const [before, then] = [refused.ttl - 1, refused.ttl].map((after) => {
            const again = new Played(createStore, { algorithm })
            again.play({ ...schedule, steps: refused.steps })
            again.now += after
            return again.ask(schedule, refused.cost).current <= schedule.max
          })
          return then === true && before === false
        }),
      )
    },
  )

  t.test(`${algorithm}: looking changes nothing and tells what the counter holds`, { timeout: RUNS * 50 }, async () => {
    holds(
      fc.property(schedules, (schedule) => {
        const looked = new Played(createStore, { algorithm })
        const alone = new Played(createStore, { algorithm })
        let refused = false
        for (const { after, cost } of schedule.steps) {
          looked.now += after
          alone.now += after
          looked.ask(schedule, 1, true)
          const given = looked.ask(schedule, cost)
          const other = alone.ask(schedule, cost)
          if (given.current !== other.current || given.ttl !== other.ttl) return false
          refused ||= given.current > schedule.max
          // Whoever was refused before stays refused, to a look, while all units are in use.
          if (refused && given.current <= schedule.max) continue
          const { current, ttl } = looked.ask(schedule, cost, true)
          if (current !== given.current || ttl !== given.ttl) return false
        }
        return true
      }),
    )
  })
}

const SOURCE = readFileSync(new URL('../dist/decide.lua', import.meta.url), 'utf8')
/** The script as it is, over a schedule, with the schedule's time in place of the server's. */
const DRIVER = `
local server = redis
local now
local redis = {
  call = function(name, ...)
    if name == 'TIME' then return { tostring(math.floor(now / 1000)), string.format('%d', (now % 1000) * 1000 + 999) } end
    return server.call(name, ...)
  end,
  pcall = server.pcall,
}
local function decide(KEYS, ARGV)
${SOURCE}
end
local answers = {}
for i, step in ipairs(cjson.decode(ARGV[1])) do
  now = step.now
  for j, arg in ipairs(step.args) do step.args[j] = tostring(arg) end
  local args = step.args
  answers[i] = decide({ KEYS[1] }, args)
end
return answers
`
const SIGNS = { 'sliding-window': 's', gcra: 'g', 'fixed-window': 'f' } as const

t.test('the Lua of Redis and the memory answer every schedule alike', { timeout: RUNS * 50 }, async (t) => {
  const server = await sharedRedis()
  const redis = server.client()
  t.teardown(() => redis.disconnect())
  const variants = fc.record({
    algorithm: fc.constantFrom(...ALGORITHMS),
    penalty: fc.constantFrom('none', 'renew', 'double'),
    ban: fc.constantFrom(-1, 0, 2),
    /** Every so many steps another limit, another window, a look, a clock that was set back. */
    twist: fc.constantFrom('nothing', 'max', 'window', 'look', 'back'),
  })
  let run = 0
  await fc.assert(
    fc.asyncProperty(schedules, variants, async (schedule, { algorithm, penalty, ban, twist }) => {
      const params = { continueExceeding: penalty === 'renew', exponentialBackoff: penalty === 'double', ban }
      const policies = { other: { max: schedule.max + 3, timeWindow: schedule.window * 2, algorithm: 'gcra' as const } }
      const played = new Played(createStore, { algorithm, policies }, params)
      const steps: { now: number; args: (string | number)[] }[] = []
      const expected: string[] = []
      for (const [i, { after, cost }] of schedule.steps.entries()) {
        const twisted = i % 3 === 2 ? twist : 'nothing'
        played.now += twisted === 'back' ? -after : after
        const max = twisted === 'max' ? Math.ceil(schedule.max / 2) : schedule.max
        const window = twisted === 'window' ? schedule.window * 3 : schedule.window
        const read = twisted === 'look'
        const { current, ttl } = played.ask({ max, window }, cost, read)
        const main = [SIGNS[algorithm], max, window]
        steps.push({
          now: played.now,
          args: [read ? 0 : 1, cost, ban, penalty, ...main, 'g', schedule.max + 3, Math.ceil(schedule.window * 2)],
        })
        expected.push(`${current} ${ttl}`)
      }
      const answers = (await redis.eval(DRIVER, 1, `${process.pid}:${++run}`, JSON.stringify(steps))) as number[][]
      const given = answers.map((answer, i) => told(answer, (steps[i] as (typeof steps)[0]).args))
      for (const [i, text] of given.entries()) {
        if (text !== expected[i]) throw new Error(`step ${i}: Redis says ${text}, the memory ${expected[i]}`)
      }
    }),
    { numRuns: RUNS },
  )
})

/** What the plugin is told of a script's answer. */
function told([refusals, wait, ...quotas]: number[], args: (string | number)[]): string {
  const max = Number(args[5])
  if (refusals && refusals > 0) return `${max + refusals} ${wait}`
  let [current, ttl] = quotas as [number, number]
  const second = max - (Number(args[8]) - (quotas[3] as number))
  if (second > current) [current, ttl] = [Math.min(second, max), quotas[4] as number]
  return `${current} ${ttl}`
}

t.test('what two counters would estimate lets nearly twice max through, what Larder counts does not', async (t) => {
  const [max, window] = [10, 60_000]
  const burst = (after: number) => Array.from({ length: 20 }, (_, i) => ({ after: i === 0 ? after : 0, cost: 1 }))
  // The first burst at the end of one window, the second at the end of the next.
  const schedule: Schedule = { max, window, steps: [{ after: 40_000, cost: 0 }, ...burst(19_990), ...burst(59_900)] }
  const played = new Played(createStore, { algorithm: 'sliding-window' })
  played.now = Math.ceil(played.now / window) * window
  const counters = twoCounters(played.now, schedule)
  t.equal(mostWithin(counters, window), 2 * max - 1)
  t.equal(mostWithin(played.play(schedule), window), max)
})

/** Cloudflare's estimate: what is left of the previous window, as if it had been evenly used, and the current one. */
function twoCounters(start: number, { max, window, steps }: Schedule): Entered[] {
  const counts = new Map<number, number>()
  const entered: Entered[] = []
  let now = start
  for (const { after, cost } of steps) {
    now += after
    const index = Math.floor(now / window)
    const elapsed = (now % window) / window
    const estimate = (counts.get(index - 1) ?? 0) * (1 - elapsed) + (counts.get(index) ?? 0)
    if (estimate + cost > max) continue
    counts.set(index, (counts.get(index) ?? 0) + cost)
    entered.push({ at: now, cost })
  }
  return entered
}
