import { abortable, onAbort } from './aborts.js'
import type { Terms } from './options.js'
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

interface Waiter {
  readonly ask: Ask
  /** The place, as the first answer told. */
  readonly place: Queued
  asking: boolean
  /** To be asked for once more as soon as it is answered. */
  again: boolean
  state: 'waits' | 'had' | 'gone'
  readonly end: (how: { had: Grant } | { over: true } | { error: unknown }) => void
}

interface Call {
  readonly token: string
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
  async acquire(resource: Resource, mode: Mode, { ttl, wait, signal }: Terms): Promise<Grant | undefined> {
    if (this.#closed) throw this.#closed
    signal?.throwIfAborted()
    const store = this.#store
    const begun = store.now()
    const ask: Ask = {
      resource,
      member: store.member(mode, wait),
      ttl,
      // A mutex is first tried without looking at its queue.
      arrival: wait > 0 && store.listening && !resource.mutex ? LAST : undefined,
      behind: this.#watches.has(resource.place),
      latch: undefined,
    }
    this.#asking++
    try {
      let answer = this.#inTime(ask, await (signal ? this.#begin(ask, signal) : store.acquire(ask)))
      if (answer.state === 'granted') return answer
      if (wait === 0) return undefined
      if (answer.state === 'refused') {
        if (!store.listening) await abortable(store.listen(), signal)
        ask.arrival = LAST
        ask.behind = true
        answer = this.#inTime(ask, await (signal ? this.#begin(ask, signal) : store.acquire(ask)))
        if (answer.state === 'granted') return answer
      }
      if (answer.state === 'queued') return this.#wait(ask, answer, begun + wait - store.now(), signal)
      return undefined
    } catch (error) {
      this.#failed(ask, error)
      throw error
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
  #begin(ask: Ask, signal: AbortSignal): Promise<Answer> {
    const asked = this.#store.acquire(ask)
    return abortable(asked, signal).catch((error: unknown) => {
      if (signal.aborted) asked.then(() => this.forget(ask), noop)
      throw error
    })
  }

  /** The answer, unless it took so long that the lease is over: then nothing was had. */
  #inTime(ask: Ask, answer: Answer): Answer {
    if (answer.state !== 'granted' || this.#store.now() < answer.until) return answer
    this.forget(ask)
    throw new Error('the lease ended before the answer that granted it arrived')
  }

  /** Unless Redis refused, it may still do as it was asked. */
  #failed(ask: Ask, error: unknown): void {
    if ((error as Error).name !== 'ReplyError') this.#remember(ask)
  }

  #wait(ask: Ask, place: Queued, rest: number, signal: AbortSignal | undefined): Promise<Grant | undefined> {
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
          if (!waiter.asking) this.forget(ask)
          if ('error' in how) reject(how.error)
          else resolve(undefined)
        },
      }
      this.#add(waiter)
      const abort = (): void => waiter.end({ error: signal?.reason })
      const endSignal = signal && onAbort(signal, abort)
      const early = this.#early.get(ask.member)
      if (this.#closed) waiter.end({ error: this.#closed })
      else if (signal?.aborted) abort()
      else if (early) this.#onCalled(ask.member, early)
    })
  }

  #add(waiter: Waiter): void {
    const { member, resource } = waiter.ask
    this.#waiters.set(member, waiter)
    const watch = this.#watches.get(resource.place) ?? { waiters: new Set(), timer: undefined }
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
        if (first) this.#askAgain(first)
      },
      Math.min(after, every),
    ).unref()
  }

  /** Keeps an eye on the resource for those who still wait for it. */
  #rearm({ ask: { resource } }: Waiter, after: number): void {
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
    this.#store.acquire(waiter.ask).then(
      (answer) => this.#onAnswer(waiter, answer),
      (error: unknown) => this.#onFailure(waiter, error),
    )
  }

  #onAnswer(waiter: Waiter, answer: Answer): void {
    waiter.asking = false
    if (answer.state === 'granted') {
      if (this.#store.now() < answer.until) waiter.end({ had: answer })
      else waiter.again = true
    }
    // Not of one that was called meanwhile: it has what the answer tells.
    if (waiter.state === 'gone') this.forget(waiter.ask)
    this.#rearm(waiter, answer.state === 'queued' ? answer.after : ASK_EVERY)
    if (waiter.again && waiter.state === 'waits') this.#askAgain(waiter)
  }

  #onFailure(waiter: Waiter, error: unknown): void {
    waiter.asking = false
    this.#failed(waiter.ask, error)
    // Nothing was sent: the outage decides. Else Redis is silent, or refuses.
    const waits = waiter.state === 'waits' && (error as { code?: string }).code === 'LARDER_REDIS_UNAVAILABLE'
    if (!waits) waiter.end({ error })
    if (waiter.state !== 'gone') this.#left.delete(waiter.ask.member)
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
    else waiter.end({ had: { state: 'granted', claim: waiter.ask, token, since, until, thin: false, had: 'called' } })
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
