import { mock } from 'node:test'
import { serveWorker } from '@larder/test-redis'
import fc from 'fast-check'
import { type Action, type Mutation, Sim, type Step } from '../sim.js'

// Plays scenarios in a process of its own: tap follows every promise, which makes them ten times as slow.

/** A call that a client makes. */
export type Made = readonly [client: number, action: Action]

export interface Scenario {
  readonly clients: number
  readonly calls: readonly Made[]
  /** How often the feed of a process may die, go deaf or come back, at any moment. */
  readonly faults?: number
  readonly mutation?: Mutation
}

/** Picks one of so many. */
type Choose = (count: number) => number

/** Lets simulated time pass where nothing else can happen. */
async function pass(sim: Sim, milliseconds: number): Promise<void> {
  sim.pass(milliseconds)
  mock.timers.tick(milliseconds)
  await new Promise(setImmediate)
}

/** All messages get through, all feeds come back, and time passes as long as anybody waits. */
async function finish(sim: Sim): Promise<void> {
  for (let round = 0; round < 500; round++) {
    const [step] = [...sim.steps(), ...sim.clients.flatMap((client) => client.recovery() ?? [])]
    if (step) await sim.run(step)
    else if (sim.waiting.length > 0) await pass(sim, 100)
    else return
  }
}

/** Plays a scenario in the order that `choose` gives it; resolves with what was wrong, and what happened. */
async function play({ clients, calls, faults = 0, mutation }: Scenario, choose: Choose): Promise<Sim> {
  const sim = new Sim(clients, mutation)
  let next = 0
  let left = faults
  const start: Step = { label: '', run: () => {} }
  for (;;) {
    const steps = sim.steps()
    if (next < calls.length) steps.push(start)
    if (left > 0 && next > 0) steps.push(...sim.clients.flatMap((client) => [...client.faults()]))
    if (steps.length === 0) break
    const step = steps[choose(steps.length)] as Step
    if (step === start) {
      const [client, action] = calls[next++] as Made
      await sim.start(sim.clients[client] as Sim['clients'][number], action)
      continue
    }
    if (!sim.steps().some(({ label }) => label === step.label)) left--
    await sim.run(step)
  }
  await finish(sim)
  for (const client of sim.clients) await sim.start(client, { what: 'read' })
  await finish(sim)
  for (const label of sim.waiting) sim.violations.push(`${label} was never answered`)
  return sim
}

/**
 * Plays every order that differs from the plain one (each call is over before the next begins) in at most `bound` places, at most
 * `limit` of them: Emmi, Qadeer, Rakamarić, "Delay-bounded scheduling", POPL 2011. Resolves with the first that is wrong.
 */
async function playAll(
  scenario: Scenario,
  { bound, limit }: { bound: number; limit: number },
): Promise<{ wrong: Sim | undefined; played: number; whole: boolean }> {
  let prefix: number[] = []
  for (let played = 1; ; played++) {
    const taken: { choice: number; count: number; left: number }[] = []
    let left = bound
    const sim = await play(scenario, (count) => {
      const choice = prefix[taken.length] ?? 0
      if (choice > 0) left--
      taken.push({ choice, count, left })
      return choice
    })
    if (sim.violations.length > 0) return { wrong: sim, played, whole: false }
    let last = taken.pop()
    // Another choice here costs one difference, unless this one was one already.
    while (last && (last.choice + 1 >= last.count || last.left + (last.choice > 0 ? 1 : 0) <= 0)) last = taken.pop()
    if (last === undefined) return { wrong: undefined, played, whole: true }
    if (played >= limit) return { wrong: undefined, played, whole: false }
    prefix = [...taken.map(({ choice }) => choice), last.choice + 1]
  }
}

/** What went wrong, in which order. */
export interface Finding {
  readonly violation: string
  readonly trace: readonly string[]
}

const finding = (sim: Sim): Finding => ({ violation: sim.violations[0] as string, trace: sim.trace })

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom<Action>({ what: 'read', tags: 'given' }, { what: 'read', tags: 'computed' }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Action>({ what: 'readFromRedis', tags: 'given' }, { what: 'get' }) },
  {
    weight: 5,
    arbitrary: fc.constantFrom<Action>({ what: 'delete' }, { what: 'invalidate' }, { what: 'writeThrough' }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Action>(
      { what: 'clear' },
      { what: 'expire' },
      { what: 'foreignDelete' },
      { what: 'evict' },
      { what: 'crash' },
    ),
  },
)

const methods = {
  /** Every order of a scenario within bounds. */
  all: async (scenario: Scenario, bounds: { bound: number; limit: number }) => {
    const { wrong, ...rest } = await playAll(scenario, bounds)
    return { ...rest, finding: wrong && finding(wrong) }
  },

  /** Scenarios and orders by chance; the smallest one that is wrong. */
  random: async (runs: number, seed: number, mutation?: Mutation) => {
    const scenario = fc.record({
      clients: fc.integer({ min: 1, max: 3 }),
      calls: fc.array(fc.tuple(fc.nat(2), action), { minLength: 2, maxLength: 9 }),
      faults: fc.nat(3),
    })
    let last: Sim | undefined
    let played = 0
    const property = fc.asyncProperty(scenario, fc.array(fc.nat(1_000), { maxLength: 120 }), async (one, choices) => {
      const calls = one.calls.map(([client, what]): Made => [client % one.clients, what])
      let i = 0
      played++
      const sim = await play(
        { ...one, calls, ...(mutation ? { mutation } : {}) },
        (count) => (choices[i++] ?? 0) % count,
      )
      if (sim.violations.length > 0) last = sim
      return sim.violations.length === 0
    })
    const { failed } = await fc.check(property, { numRuns: runs, seed })
    return { played, finding: failed && last ? finding(last) : undefined }
  },
}

/** What the test calls. */
export type Methods = typeof methods

mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
serveWorker(methods)
