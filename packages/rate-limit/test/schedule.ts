import type { AlgorithmName, createStore, StoreOptions } from '@larder/rate-limit'
import * as fc from 'fast-check'

/** One request of a schedule: so long after the one before. */
export interface Step {
  readonly after: number
  readonly cost: number
}

/** When requests come, and what they meet. */
export interface Schedule {
  readonly window: number
  readonly max: number
  readonly steps: readonly Step[]
}

/** A request that was let in. */
export interface Entered {
  readonly at: number
  readonly cost: number
}

export const ALGORITHMS: readonly AlgorithmName[] = ['sliding-window', 'gcra', 'fixed-window']

/** Some hundred schedules, 10,000 with `LARDER_NIGHTLY=1`. */
export const RUNS = process.env.LARDER_NIGHTLY === '1' ? 10_000 : 400

/**
 * Windows of any length, limits of any size; requests in bursts, at even distances, and at the edges: just before, at and just after
 * a window from another.
 */
export const schedules: fc.Arbitrary<Schedule> = fc
  .record({ window: fc.constantFrom(1, 7, 100, 1_000, 60_000, 86_400_000), max: fc.integer({ min: 1, max: 40 }) })
  .chain(({ window, max }) => {
    const after = fc.oneof(
      { weight: 5, arbitrary: fc.constant(0) },
      { weight: 3, arbitrary: fc.integer({ min: 0, max: Math.ceil(window / max) }) },
      { weight: 2, arbitrary: fc.constantFrom(window - 1, window, window + 1) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * window }) },
    )
    const cost = fc.oneof(
      { weight: 6, arbitrary: fc.constant(1) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: max + 1 }) },
    )
    const steps = fc.array(fc.record({ after, cost }), { minLength: 1, maxLength: 120, size: 'max' })
    return fc.record({ window: fc.constant(window), max: fc.constant(max), steps })
  })

/** A store in memory whose time is the caller's, and which is told the cost of each request. */
export class Played {
  now = 1_795_387_460_350
  readonly #make: (cost: number) => InstanceType<ReturnType<typeof createStore>>
  readonly #byCost = new Map<number, InstanceType<ReturnType<typeof createStore>>>()

  constructor(make: typeof createStore, options: StoreOptions, params: object = {}) {
    const Store = make(false, { ...options, clock: () => this.now })
    const root = new Store({})
    this.#make = (cost) => root.child({ ...params, cost, name: 'played' })
  }

  /** Asks for room; `read`: only looks. */
  ask({ window, max }: Pick<Schedule, 'window' | 'max'>, cost: number, read = false): { current: number; ttl: number } {
    const store = this.#byCost.get(cost) ?? this.#make(cost)
    this.#byCost.set(cost, store)
    let result: { current: number; ttl: number } | undefined
    store[read ? 'read' : 'incr'](
      'key',
      (error, given) => {
        if (error) throw error
        result = given
      },
      window,
      max,
    )
    if (result === undefined) throw new Error('The memory answers at once')
    return result
  }

  /** Plays a schedule; gives back who was let in. */
  play(schedule: Schedule): Entered[] {
    const entered: Entered[] = []
    for (const { after, cost } of schedule.steps) {
      this.now += after
      if (this.ask(schedule, cost).current <= schedule.max) entered.push({ at: this.now, cost })
    }
    return entered
  }
}

/** The most units within any span of this length, its end not included. */
export function mostWithin(entered: readonly Entered[], span: number): number {
  let most = 0
  for (const [i, { at }] of entered.entries()) {
    let units = 0
    for (let j = i; j < entered.length && (entered[j] as Entered).at < at + span; j++)
      units += (entered[j] as Entered).cost
    most = Math.max(most, units)
  }
  return most
}
