/*
 * Explicit-state checks of the protocol: a few loaders, writers, foreign clients and evictions, in every order of their steps. Each
 * step that touches the server is one call of the real store, with the real Lua scripts, on a slot that holds what the state says;
 * the next state is what the slot holds then. Many steps are tried at once, each on a key of its own.
 */

const BATCH = 400

/** How a check went. */
export interface Checked {
  readonly states: number
  /** Whether every state was visited. */
  readonly whole: boolean
  readonly violation?: string
  /** The steps that lead to it, the fewest. */
  readonly trace?: readonly string[]
}

/** What may happen in a state: `next` at once, or what a call makes of the slot. */
export type Move<S, Slot> = { readonly label: string } & (
  | { readonly next: S }
  | { readonly run: (slot: Slot) => Promise<unknown>; readonly after: (result: unknown) => S | undefined }
)

/** What may happen, and what must not. */
export interface Model<S, Slot> {
  readonly initial: S
  /** The same for states that differ in nothing that matters. */
  key(state: S): string
  violation(state: S): string | undefined
  moves(state: S): Move<S, Slot>[]
}

/** Where slots are filled, and looked at. */
export interface Site<S, Slot> {
  /** Runs each of these on a slot that holds what its state says, and puts what the slot holds then into the new state. */
  run(jobs: readonly Job<S, Slot>[]): Promise<(S | undefined)[]>
}

/** A move that is to be tried in a state. */
export interface Job<S, Slot> {
  readonly state: S
  readonly move: Extract<Move<S, Slot>, { run: unknown }>
}

/** Visits states, the nearest first, until one is wrong, all were visited, or there were `limit` of them. */
export async function explore<S, Slot>(model: Model<S, Slot>, site: Site<S, Slot>, limit: number): Promise<Checked> {
  const seen = new Map<string, { parent: string | undefined; label: string }>()
  const first = model.key(model.initial)
  seen.set(first, { parent: undefined, label: 'start' })
  let level: S[] = [model.initial]
  const trace = (key: string): string[] => {
    const steps: string[] = []
    for (let at: string | undefined = key; at !== undefined; at = seen.get(at)?.parent) {
      steps.unshift(seen.get(at)?.label ?? '')
    }
    return steps
  }
  while (level.length > 0) {
    const next: S[] = []
    const visit = (parent: S, label: string, state: S): string | undefined => {
      const key = model.key(state)
      if (seen.has(key)) return undefined
      seen.set(key, { parent: model.key(parent), label })
      next.push(state)
      return model.violation(state) && key
    }
    const jobs: Job<S, Slot>[] = []
    for (const state of level) {
      for (const move of model.moves(state)) {
        if ('next' in move) {
          const wrong = visit(state, move.label, move.next)
          if (wrong) return found(move.next, wrong)
        } else jobs.push({ state, move })
      }
    }
    for (let i = 0; i < jobs.length; i += BATCH) {
      const batch = jobs.slice(i, i + BATCH)
      const states = await site.run(batch)
      for (const [j, state] of states.entries()) {
        if (state === undefined) continue
        const { state: parent, move } = batch[j] as Job<S, Slot>
        const wrong = visit(parent, move.label, state)
        if (wrong) return found(state, wrong)
      }
      if (seen.size >= limit) return { states: seen.size, whole: false }
    }
    level = next
  }
  return { states: seen.size, whole: true }

  function found(state: S, key: string): Checked {
    const violation = model.violation(state) as string
    return { states: seen.size, whole: false, violation, trace: trace(key) }
  }
}
