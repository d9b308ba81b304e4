import type { Key } from '@larder/core'
import type { Call } from './call-options.js'
import { type Engine, isOwn } from './engine.js'
import { LoadManyError } from './errors.js'
import type { LoadContext } from './load.js'
import type { Found, FreshValue } from './reader.js'

/** Loads the values of these keys, in their order. */
export type LoadMany<T> = (keys: Key[], context: Pick<LoadContext, 'signal'>) => T[] | Promise<T[]>

interface Granted {
  readonly key: Key
  readonly index: number
  readonly signal: AbortSignal
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * The loads of one `getMany`. It loads what it was granted as soon as every answer is in, granted or refused, and only then waits for
 * the others: waiting first would let two processes with crossed keys wait for each other. What is granted later, because somebody
 * else's load failed, is loaded then.
 */
class Batch {
  readonly #load: LoadMany<unknown>
  #unanswered: number
  #granted: Granted[] = []

  constructor(load: LoadMany<unknown>, size: number) {
    this.#load = load
    this.#unanswered = size
  }

  /** One key is answered: loaded elsewhere, or about to be loaded here. Each key counts once. */
  answered(): void {
    if (--this.#unanswered === 0) this.#flush()
  }

  load(key: Key, index: number, signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#granted.push({ key, index, signal, resolve, reject })
      if (this.#unanswered <= 0 && this.#granted.length === 1) queueMicrotask(() => this.#flush())
    })
  }

  #flush(): void {
    // The nodes of a Cluster answer in any order; the loader is asked in that of the keys.
    const granted = this.#granted.sort((a, b) => a.index - b.index)
    this.#granted = []
    if (granted.length > 0) void this.#run(granted)
  }

  async #run(granted: readonly Granted[]): Promise<void> {
    try {
      const signal = granted.length === 1 ? (granted[0] as Granted).signal : all(granted.map((one) => one.signal))
      const values = await this.#load(
        granted.map(({ key }) => key),
        { signal },
      )
      if (!Array.isArray(values) || values.length !== granted.length) throw new LoadManyError(granted.length)
      granted.forEach(({ resolve }, i) => {
        resolve(values[i])
      })
    } catch (error) {
      for (const { reject } of granted) reject(error)
    }
  }
}

/** Aborts when all of them have: as long as somebody waits for one of its keys, a batch goes on. */
function all(signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController()
  let left = signals.length
  for (const signal of signals) {
    const onAbort = (): void => {
      if (--left === 0) controller.abort(signal.reason)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  }
  return controller.signal
}

/** The values of many keys, in their order; `undefined` where there is none and nothing loads it. */
export async function getMany(
  engine: Engine,
  keys: readonly Key[],
  load: LoadMany<unknown> | undefined,
  call: Call,
  callOf: (key: Key) => Call = () => call,
): Promise<unknown[]> {
  if (call.tags) engine.parts.requireTags()
  call.signal?.throwIfAborted()
  const values: unknown[] = new Array(keys.length)
  /** Positions by key: one that is asked for twice is read and loaded once. */
  const missing = new Map<string, number[]>()
  engine.localMany(keys, call, values, missing)
  if (missing.size === 0) return values
  const names = [...missing.keys()]
  const began = performance.now()
  const found = await engine.readMany(names, call)
  const spent = performance.now() - began
  const wanted: { name: string; positions: number[]; index: number }[] = []
  names.forEach((name, index) => {
    const positions = missing.get(name) as number[]
    const one = found[index] as Found | FreshValue
    if (one.state === 'value') {
      engine.tellHit(call)
      positions.forEach((i, n) => {
        values[i] = n === 0 ? one.value : structuredClone(one.value)
      })
      return
    }
    const copy = engine.usable(one, call, load !== undefined)
    if (copy) for (const i of positions) values[i] = copy.give(isOwn(call))
    else if (load) wanted.push({ name, positions, index })
  })
  if (load === undefined || wanted.length === 0) return values
  const batch = new Batch(load, wanted.length)
  const outcomes = await Promise.allSettled(
    wanted.map(async ({ name, positions, index }) => {
      let counted = false
      const answered = (): void => {
        if (!counted) batch.answered()
        counted = true
      }
      const key = keys[positions[0] as number] as Key
      const loadOne = ({ signal }: LoadContext): Promise<unknown> => {
        const loading = batch.load(key, index, signal)
        answered()
        return loading
      }
      try {
        const { copy } = await engine.load(name, loadOne, callOf(key), found[index] as Found, spent, answered)
        for (const i of positions) values[i] = copy.give(isOwn(call))
      } finally {
        answered()
      }
    }),
  )
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  return values
}
