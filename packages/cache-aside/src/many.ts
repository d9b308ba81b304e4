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
  const values: unknown[] = new Array(keys.length).fill(undefined)
  const { names, positions, repeats } = engine.localMany(keys, call, values)
  if (names.length === 0) return values
  const began = performance.now()
  const read: unknown[] = new Array(names.length)
  const found = await engine.readMany(names, call, read)
  const spent = performance.now() - began
  /** What a key's value is for each position that asks for it. */
  const gives: (() => unknown)[] = []
  const wanted: number[] = []
  for (let i = 0; i < names.length; i++) {
    const one = found[i] as Found | FreshValue
    if (one.state === 'value') {
      engine.tell('hit', call)
      values[positions[i] as number] = read[i]
      continue
    }
    const copy = engine.usable(one, call, load !== undefined)
    if (copy) values[positions[i] as number] = copy.give(isOwn(call))
    else wanted.push(i)
    if (copy && repeats.length > 0) gives[i] = () => copy.give(isOwn(call))
  }
  if (load !== undefined && wanted.length > 0) {
    const batch = new Batch(load, wanted.length)
    const loadOne = async (i: number): Promise<void> => {
      let counted = false
      const answered = (): void => {
        if (!counted) batch.answered()
        counted = true
      }
      const key = keys[positions[i] as number] as Key
      const join = ({ signal }: LoadContext): Promise<unknown> => {
        const loading = batch.load(key, i, signal)
        answered()
        return loading
      }
      try {
        const { copy } = await engine.load(names[i] as string, join, callOf(key), found[i] as Found, spent, answered)
        values[positions[i] as number] = copy.give(isOwn(call))
        gives[i] = () => copy.give(isOwn(call))
      } finally {
        answered()
      }
    }
    const outcomes = await Promise.allSettled(wanted.map(loadOne))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }
  if (load === undefined) for (const _ of wanted) engine.tell('miss', call)
  for (const { position, index } of repeats) {
    const give = gives[index]
    values[position] = give ? give() : structuredClone(values[positions[index] as number])
  }
  return values
}
