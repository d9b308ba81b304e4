import { abortable, onAbort } from './aborts.js'
import type { Resource } from './resource.js'
import {
  type Answer,
  type Ask,
  CLAIM,
  type Claim,
  type Grant,
  LAST,
  type LockStore,
  type Mode,
  type Queued,
} from './store.js'

/** Milliseconds between two questions of a process that waits, in case a call was missed or another process died. */
const ASK_EVERY = 1_000
/** The same while calls cannot be heard. */
const ASK_DEAF = 100
/** Leases that a failed question may have left behind, kept until Redis is back. */
const MAX_LEFT = 10_000

/** What a {@link Queue} is asked for. Durations in milliseconds. */
export interface Wanted {
  readonly resource: Resource
  readonly mode: Mode
  readonly ttl: number
  readonly wait: number
  readonly signal: AbortSignal | undefined
}

/** A lease that was had, and whether others had to be waited for. */
export interface Had {
  readonly claim: Claim
  readonly grant: Grant
  readonly queued: boolean
}

interface Waiter {
  readonly claim: Claim
  /** The place, as the first answer told. */
  readonly place: Queued
  asking: boolean
  /** To be asked for once more as soon as it is answered. */
  again: boolean
  state: 'waits' | 'had' | 'gone'
  readonly end: (how: { had: Grant } | { over: true } | { error: unknown }) => void
}

interface Call {
  readonly token: bigint
  readonly at: number
}

/** The waiters of this process for one resource: one of them asks for all, since whoever asks lets the next go ahead. */
interface Watch {
  readonly waiters: Set<Waiter>
  timer: NodeJS.Timeout | undefined
}

/** Gets leases, in the order in which they were asked for over all processes; wakes waiters when the store calls them. */
export class Queue {
  readonly #store: LockStore
  readonly #waiters = new Map<string, Waiter>()
  readonly #watches = new Map<string, Watch>()
  /** First questions under way, and who was called before the answer that it must wait: the call may overtake it. */
  #asking = 0
  readonly #early = new Map<string, Call>()
  readonly #left = new Map<string, Claim>()
  #outage: NodeJS.Timeout | undefined
  #closed: Error | undefined

  constructor(store: LockStore) {
    this.#store = store
    store.attach({
      called: (member, token, at) => this.#onCalled(member, { token, at }),
      missed: () => this.#askAll(),
      changed: (up) => this.#onChanged(up),
    })
  }

  /** How many wait in this process. */
  get size(): number {
    return this.#waiters.size
  }

  /**
   * A lease; `undefined` when the wait was over before.
   *
   * @throws what the store throws; the signal's reason when it is aborted
   */
  async acquire(wanted: Wanted): Promise<Had | undefined> {
    const { resource, mode, ttl, wait, signal } = wanted
    if (this.#closed) throw this.#closed
    signal?.throwIfAborted()
    const begun = wait > 0 ? this.#store.now() : 0
    const claim: Claim = { resource, member: this.#store.member(mode, wait), ttl }
    this.#asking++
    try {
      let answer = await this.#begin(claim, wait > 0 && this.#store.listening ? LAST : undefined, signal)
      if (answer.state === 'refused' && wait > 0) {
        await abortable(this.#store.listen(), signal)
        answer = await this.#begin(claim, LAST, signal)
      }
      if (answer.state === 'granted') return { claim, grant: answer, queued: false }
      if (answer.state === 'refused') return undefined
      return this.#wait(claim, answer, begun + wait - this.#store.now(), signal)
    } finally {
      if (--this.#asking === 0 && this.#early.size > 0) this.#early.clear()
    }
  }

  /** Ends a lease or a wait that nobody wants, now or when Redis is back. */
  forget(claim: Claim): void {
    this.#store.leave(claim).catch(() => this.#remember(claim))
  }

  /** Rejects all who wait, and who come. */
  close(error: Error): void {
    this.#closed = error
    clearTimeout(this.#outage)
    for (const waiter of [...this.#waiters.values()]) waiter.end({ error })
  }

  /** The first question. What its answer brings is not wanted any more when the signal is aborted before. */
  #begin(claim: Claim, arrival: string | undefined, signal: AbortSignal | undefined): Promise<Answer> {
    const asked = this.#ask({ ...claim, arrival, behind: this.#watches.has(claim.resource.place) })
    if (!signal) return asked
    return abortable(asked, signal).catch((error: unknown) => {
      if (signal.aborted) asked.then(() => this.forget(claim), noop)
      throw error
    })
  }

  async #ask(ask: Ask): Promise<Answer> {
    try {
      const answer = await this.#store.acquire(ask)
      // Answered so late that the lease is over: nothing was had.
      if (answer.state === 'granted' && this.#store.now() >= answer.until) {
        this.forget(ask)
        throw new Error('the lease ended before the answer that granted it arrived')
      }
      return answer
    } catch (error) {
      // Unless Redis refused, it may still do as it was asked.
      if ((error as Error).name !== 'ReplyError') this.#remember(ask)
      throw error
    }
  }

  #wait(claim: Claim, place: Queued, rest: number, signal: AbortSignal | undefined): Promise<Had | undefined> {
    return new Promise((resolve, reject) => {
      // Not unref'ed: somebody awaits it, and in memory nothing else may keep the process alive.
      const timer = setTimeout(() => waiter.end({ over: true }), Math.max(rest, 0))
      const waiter: Waiter = {
        claim,
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
            resolve({ claim, grant: how.had, queued: true })
            return
          }
          // One that is asked for at this moment is forgotten when the answer arrives.
          if (!waiter.asking) this.forget(claim)
          if ('error' in how) reject(how.error)
          else resolve(undefined)
        },
      }
      this.#add(waiter)
      const abort = (): void => waiter.end({ error: signal?.reason })
      const endSignal = signal && onAbort(signal, abort)
      const early = this.#early.get(claim.member)
      if (this.#closed) waiter.end({ error: this.#closed })
      else if (signal?.aborted) abort()
      else if (early) this.#onCalled(claim.member, early)
    })
  }

  #add(waiter: Waiter): void {
    const { member, resource } = waiter.claim
    this.#waiters.set(member, waiter)
    const watch = this.#watches.get(resource.place) ?? { waiters: new Set(), timer: undefined }
    this.#watches.set(resource.place, watch)
    watch.waiters.add(waiter)
    this.#arm(watch, waiter.place.after)
  }

  #remove({ claim: { member, resource } }: Waiter): void {
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
        if (first) this.#askAgain(first)
      },
      Math.min(after, every),
    ).unref()
  }

  /** Keeps an eye on the resource for those who still wait for it. */
  #rearm({ claim: { resource } }: Waiter, after: number): void {
    const watch = this.#watches.get(resource.place)
    if (watch) this.#arm(watch, after)
  }

  #askAgain(waiter: Waiter): void {
    if (waiter.asking) {
      waiter.again = true
      return
    }
    waiter.asking = true
    waiter.again = false
    const { claim, place } = waiter
    this.#ask({ ...claim, arrival: place.arrival, behind: true }).then(
      (answer) => this.#onAnswer(waiter, answer),
      (error: unknown) => this.#onFailure(waiter, error),
    )
  }

  #onAnswer(waiter: Waiter, answer: Answer): void {
    waiter.asking = false
    if (answer.state === 'granted') waiter.end({ had: answer })
    // Not of one that was called meanwhile: it has what the answer tells.
    if (waiter.state === 'gone') this.forget(waiter.claim)
    this.#rearm(waiter, answer.state === 'queued' ? answer.after : ASK_EVERY)
    if (waiter.again && waiter.state === 'waits') this.#askAgain(waiter)
  }

  #onFailure(waiter: Waiter, error: unknown): void {
    waiter.asking = false
    // Nothing was sent: the outage decides. Else Redis is silent, or refuses.
    const waits = waiter.state === 'waits' && (error as { code?: string }).code === 'LARDER_REDIS_UNAVAILABLE'
    if (!waits) waiter.end({ error })
    if (waiter.state !== 'gone') this.#left.delete(waiter.claim.member)
    this.#rearm(waiter, ASK_EVERY)
  }

  /**
   * The store gave its place to a waiter, from the moment that the call names: on our clock that is at least as long after the
   * question as on the server's. A call that took too long to arrive is void, and its waiter asks.
   */
  #onCalled(member: string, { token, at }: Call): void {
    const waiter = this.#waiters.get(member)
    if (!waiter) {
      if (this.#asking > 0) this.#early.set(member, { token, at })
      return
    }
    const { asked, arrival } = waiter.place
    const now = this.#store.now()
    const since = Math.min(now, asked + (at - Number(arrival)) / 1_000)
    const until = since + CLAIM
    if (now >= until) this.#askAgain(waiter)
    else waiter.end({ had: { state: 'granted', token, since, until, thin: false, called: true } })
  }

  #askAll(): void {
    for (const waiter of [...this.#waiters.values()]) this.#askAgain(waiter)
  }

  /** Waiters outlast an outage that is shorter than the deadline. */
  #onChanged(up: boolean): void {
    if (!up) {
      this.#outage ??= setTimeout(() => this.#onOutage(), this.#store.deadline).unref()
      return
    }
    clearTimeout(this.#outage)
    this.#outage = undefined
    const left = [...this.#left.values()]
    this.#left.clear()
    for (const claim of left) this.forget(claim)
    this.#askAll()
  }

  #onOutage(): void {
    const error = new Error('Redis did not come back in time')
    for (const waiter of [...this.#waiters.values()]) waiter.end({ error })
  }

  #remember(claim: Claim): void {
    if (this.#left.size < MAX_LEFT) this.#left.set(claim.member, claim)
  }
}

function noop(): void {}
