import { onAbort } from './aborts.js'
import type { Leftovers } from './leftovers.js'
import { type Answer, type Ask, CLAIM, type Grant, type LockStore, type Queued } from './store.js'

/** Milliseconds between two questions of a process that waits, in case a call was missed or another process died. */
const ASK_EVERY = 1_000
/** The same while calls cannot be heard. */
const ASK_DEAF = 100

/** How a wait ended. */
export type Ending = { had: Grant } | { over: true } | { error: unknown }

/** That a waiter has its turn. */
export interface Call {
  readonly token: string
  /** Microseconds of the server's time. */
  readonly at: number
}

interface Waiter {
  readonly ask: Ask
  /** The place, as the first answer told. */
  readonly place: Queued
  asking: boolean
  /** To be asked for once more as soon as it is answered. */
  again: boolean
  state: 'waits' | 'had' | 'gone'
  readonly end: (how: Ending) => void
}

/** The waiters of this process for one resource: one of them asks for all, since whoever asks lets the next go ahead. */
interface Watch {
  readonly waiters: Set<Waiter>
  /** The one that asks for all. */
  asker: Waiter | undefined
  timer: NodeJS.Timeout | undefined
}

/** Those of this process who have a place in a queue. */
export class Waiters {
  readonly #store: LockStore
  readonly #leftovers: Leftovers
  readonly #waiters = new Map<string, Waiter>()
  readonly #watches = new Map<string, Watch>()
  readonly #onAnswered: () => void
  #asking = 0

  /** @param onAnswered called when a question has been answered, and what is to be done about it was done */
  constructor(store: LockStore, leftovers: Leftovers, onAnswered: () => void) {
    this.#store = store
    this.#leftovers = leftovers
    this.#onAnswered = onAnswered
  }

  /** Questions under way. */
  get asking(): number {
    return this.#asking
  }

  /** How many wait. */
  get size(): number {
    return this.#waiters.size
  }

  /** Whether any waits for what is kept in this place. */
  for(place: string): boolean {
    return this.#watches.size > 0 && this.#watches.has(place)
  }

  /** Waits; `undefined` after `rest` milliseconds. */
  wait(ask: Ask, place: Queued, rest: number, signal: AbortSignal | undefined): Promise<Grant | undefined> {
    return new Promise((resolve, reject) => {
      // Not unref'ed: somebody awaits it, and in memory nothing else may keep the process alive.
      const timer = setTimeout(() => waiter.end({ over: true }), Math.max(rest, 0))
      ask.behind = true
      ask.arrival = place.arrival
      const waiter: Waiter = {
        ask,
        place,
        asking: false,
        again: false,
        state: 'waits',
        end: (how) => {
          if (waiter.state !== 'waits') return
          waiter.state = 'had' in how ? 'had' : 'gone'
          clearTimeout(timer)
          endSignal?.()
          this.#remove(waiter)
          if ('had' in how) {
            resolve(how.had)
            return
          }
          // One that is asked for at this moment is forgotten when the answer arrives.
          if (!waiter.asking) this.#leftovers.forget(ask)
          if ('error' in how) reject(how.error)
          else resolve(undefined)
        },
      }
      this.#add(waiter)
      const abort = (): void => waiter.end({ error: signal?.reason })
      const endSignal = signal && onAbort(signal, abort)
      if (signal?.aborted) abort()
    })
  }

  /**
   * The store gave its place to a waiter, from the moment that the call names: on our clock that is at least as long after the
   * question as on the server's. A call that took too long to arrive is void, and its waiter asks. Returns whether it waits here.
   */
  call(member: string, { token, at }: Call): boolean {
    const waiter = this.#waiters.get(member)
    if (!waiter) return false
    const { asked, arrival } = waiter.place
    const now = this.#store.now()
    const since = Math.min(now, asked + (at - Number(arrival)) / 1_000)
    const until = since + CLAIM
    if (now >= until) this.#askAgain(waiter)
    else {
      const had = { claim: waiter.ask, token, since, until, thin: false, had: 'called', lost: false } as const
      waiter.end({ had: { state: 'granted', ...had } })
    }
    return true
  }

  /** Asks for all: calls may have been missed. */
  askAll(): void {
    for (const waiter of [...this.#waiters.values()]) this.#askAgain(waiter)
  }

  /** Ends all waits. */
  end(error: unknown): void {
    for (const waiter of [...this.#waiters.values()]) waiter.end({ error })
  }

  #add(waiter: Waiter): void {
    const { member, resource } = waiter.ask
    this.#waiters.set(member, waiter)
    const watch = this.#watches.get(resource.place) ?? { waiters: new Set(), asker: undefined, timer: undefined }
    this.#watches.set(resource.place, watch)
    watch.waiters.add(waiter)
    this.#arm(watch, waiter.place.after)
  }

  #remove({ ask: { member, resource } }: Waiter): void {
    const waiter = this.#waiters.get(member)
    const watch = this.#watches.get(resource.place)
    this.#waiters.delete(member)
    if (!waiter || !watch) return
    watch.waiters.delete(waiter)
    if (watch.waiters.size > 0) return
    clearTimeout(watch.timer)
    this.#watches.delete(resource.place)
  }

  #arm(watch: Watch, after: number): void {
    if (watch.timer) return
    const every = this.#store.listening ? ASK_EVERY : ASK_DEAF
    watch.timer = setTimeout(
      () => {
        watch.timer = undefined
        this.#store.check()
        const [first] = watch.waiters
        if (!first) return
        watch.asker = first
        this.#askAgain(first)
      },
      Math.min(after, every),
    ).unref()
  }

  #askAgain(waiter: Waiter): void {
    if (waiter.asking) {
      waiter.again = true
      return
    }
    waiter.asking = true
    waiter.again = false
    this.#asking++
    const answered = this.#store.acquire(waiter.ask).then(
      (answer) => this.#onAnswer(waiter, answer),
      (error: unknown) => this.#onFailure(waiter, error),
    )
    void answered.then(() => {
      this.#asking--
      this.#onAnswered()
    })
  }

  #onAnswer(waiter: Waiter, answer: Answer): void {
    waiter.asking = false
    if (answer.state === 'granted') {
      if (this.#store.now() < answer.until) waiter.end({ had: answer })
      else waiter.again = true
    }
    // Not of one that was called meanwhile: it has what the answer tells.
    if (waiter.state === 'gone') this.#leftovers.forget(waiter.ask)
    const watch = this.#watches.get(waiter.ask.resource.place)
    if (watch) {
      this.#arm(watch, answer.state === 'queued' ? answer.after : ASK_EVERY)
      if (watch.asker === waiter && answer.state !== 'refused' && answer.lost) this.#rejoin(watch, waiter)
    }
    if (waiter.again && waiter.state === 'waits') this.#askAgain(waiter)
  }

  /** Evicted or flushed: with the asker's place those of the others were lost, who are asked for in their old order. */
  #rejoin(watch: Watch, asker: Waiter): void {
    watch.asker = undefined
    for (const waiter of watch.waiters) if (waiter !== asker) this.#askAgain(waiter)
  }

  #onFailure(waiter: Waiter, error: unknown): void {
    waiter.asking = false
    this.#leftovers.failed(waiter.ask, error)
    // Nothing was sent: the outage decides. Else Redis is silent, or refuses.
    const waits = waiter.state === 'waits' && (error as { code?: string }).code === 'LARDER_REDIS_UNAVAILABLE'
    if (!waits) waiter.end({ error })
    if (waiter.state !== 'gone') this.#leftovers.spare(waiter.ask)
    const watch = this.#watches.get(waiter.ask.resource.place)
    if (watch) this.#arm(watch, ASK_EVERY)
  }
}
