import type { Algorithm, AlgorithmName, Policy, Section } from './algorithm.js'
import { fixedWindow } from './fixed-window.js'
import { gcra } from './gcra.js'
import { slidingWindow } from './sliding-window.js'
import type { Demand, Quota, Verdict } from './store.js'

const ALGORITHMS: Record<AlgorithmName, Algorithm> = {
  'sliding-window': slidingWindow,
  gcra,
  'fixed-window': fixedWindow,
}

/** The longest wait that doubling leads to: beyond, times would no longer be whole numbers. */
const LONGEST = 2 ** 52

/** What is remembered of a key. */
export interface State {
  /** Refusals that count, and until when they do. */
  refusals: number
  until: number
  /** One a policy. */
  sections: Section[]
}

/** The state of a key that nothing is known of. */
export function emptyState(): State {
  return { refusals: 0, until: 0, sections: [] }
}

/** Decides on a request, and changes the state accordingly. `decide.lua` is the same for Redis. */
export function decide(state: State, { policies, cost, ban, penalty, take }: Demand, now: number): Verdict {
  const { window } = policies[0]
  forget(state, penalty, window, now)
  const sections = policies.map((policy, i) => {
    state.sections[i] ??= []
    const section = state.sections[i] as Section
    ALGORITHMS[policy.algorithm].settle(section, policy, now)
    return section
  })
  const waits = policies.map((policy, i) => of(policy).wait(sections[i] as Section, policy, now, cost))
  const held = heldFor(state, penalty, ban, now)
  let wait = Math.max(held, ...waits)
  if (take && wait === 0) {
    for (const [i, policy] of policies.entries()) of(policy).add(sections[i] as Section, policy, now, cost)
  } else if (take) {
    state.refusals++
    if (state.refusals === 1) state.until = now + horizon(policies[0], sections[0] as Section, now)
    if (penalty === 'renew') state.until = now + window
    else if (penalty === 'double') state.until = now + Math.min(window * 2 ** (state.refusals - 1), LONGEST)
    wait = Math.max(wait, heldFor(state, penalty, ban, now))
  }
  const quotas = policies.map((policy, i): Quota => {
    const section = sections[i] as Section
    const used = of(policy).used(section, policy)
    return { used, reset: of(policy).reset(section, policy, now), wait: waits[i] as number }
  })
  return { refusals: wait > 0 ? state.refusals : 0, wait, quotas }
}

function of({ algorithm }: Policy): Algorithm {
  return ALGORITHMS[algorithm]
}

/** Ends refusals that are over; after a wait that refusals have lengthened, everything begins anew. */
function forget(state: State, penalty: Demand['penalty'], window: number, now: number): void {
  // A clock that was set back must not lengthen the wait.
  if (penalty !== 'double') state.until = Math.min(state.until, now + window)
  if (state.refusals === 0 || state.until > now) return
  state.refusals = 0
  if (penalty !== 'none') state.sections.length = 0
}

/** Milliseconds for which the key is refused whatever its policies say. */
function heldFor({ refusals, until }: State, penalty: Demand['penalty'], ban: number, now: number): number {
  return refusals > 0 && (penalty !== 'none' || (ban >= 0 && refusals > ban)) ? until - now : 0
}

/** For how long the first refusal counts: to the end of a fixed window, else a window. */
function horizon(policy: Policy, section: Section, now: number): number {
  if (policy.algorithm !== 'fixed-window' || section.length === 0) return policy.window
  return fixedWindow.reset(section, policy, now)
}
