import { mock } from 'node:test'
import { serveWorker } from '@larder/test-redis'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { broken, type Mutant } from '../simulation/mutants.js'
import { type Program, play, type Step, type What } from '../simulation/program.js'
import type { Simulation, World } from '../simulation/simulation.js'

// Plays programs in a process of its own: tap follows every promise, which makes them ten times as slow; and time stands still here.

const port = Number(process.env.REDIS_PORT)
const foreign = new Redis({ host: '127.0.0.1', port, enableReadyCheck: false })
const world: World = { port, foreign }

/** Starts the clock anew, without the timers that anybody left behind. */
function resetTime(): void {
  mock.timers.reset()
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: Date.now() })
}

resetTime()
const started = Date.now()
performance.now = () => Date.now() - started

/** What went wrong, in which order. */
export interface Finding {
  readonly violation: string
  readonly program: Program
  readonly trace: readonly string[]
}

/** How an exploration went. */
export interface Explored {
  /** How many orders were tried. */
  readonly played: number
  readonly finding: Finding | undefined
}

/** How often what may happen. */
const WEIGHTS: Record<What, number> = {
  read: 8,
  readSlowly: 4,
  readComputed: 5,
  readFromRedis: 3,
  entry: 3,
  get: 2,
  getMany: 3,
  delete: 4,
  invalidate: 4,
  invalidateSoftly: 2,
  clear: 2,
  expire: 2,
  set: 2,
  writeThrough: 3,
  foreignDelete: 2,
  foreignSet: 1,
  foreignFlush: 1,
  evictEntry: 1,
  evictTag: 2,
  evictClock: 1,
  crash: 1,
  cutFeed: 2,
  cutCommands: 2,
  deafenFeed: 1,
  beyondHeartbeat: 2,
  rest: 6,
}

const what = fc.oneof(
  ...Object.entries(WEIGHTS).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name as What) })),
)
const programs: fc.Arbitrary<Program> = fc.record({
  processes: fc.integer({ min: 1, max: 3 }),
  steps: fc.array(
    fc.tuple(fc.nat(2), what, fc.nat(1)).map((step): Step => step),
    { minLength: 2, maxLength: 14 },
  ),
})

async function explore(
  program: fc.Arbitrary<Program>,
  { runs, seed, mutant }: { runs: number; seed: number; mutant?: Mutant | undefined },
): Promise<Explored> {
  let wrong: { sim: Simulation; program: Program } | undefined
  let played = 0
  const property = fc.asyncProperty(program, fc.scheduler(), async (one, order) => {
    played++
    resetTime()
    const sim = await play(world, one, order)
    if (sim.violations.length > 0) wrong = { sim, program: one }
    return sim.violations.length === 0
  })
  await foreign.flushall()
  // Of a broken variant any counterexample will do; of the real code the smallest is wanted.
  const details = await broken(mutant, () =>
    fc.check(property, { numRuns: runs, seed, endOnFailure: mutant !== undefined }),
  )
  if (details.errorInstance && !wrong) throw details.errorInstance
  if (!details.failed || !wrong) return { played, finding: undefined }
  const { sim } = wrong
  return {
    played,
    finding: { violation: sim.violations[0] as string, program: wrong.program, trace: sim.trace },
  }
}

const methods = {
  /** Orders by chance of one program. */
  orders: (program: Program, runs: number, seed: number, mutant?: Mutant) =>
    explore(fc.constant(program), { runs, seed, mutant }),
  /** Programs and orders by chance. */
  programs: (runs: number, seed: number, mutant?: Mutant) => explore(programs, { runs, seed, mutant }),
}

/** What the test calls. */
export type Methods = typeof methods

serveWorker(methods)
