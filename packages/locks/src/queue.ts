import { abortable } from './aborts.js'
import { Leftovers } from './leftovers.js'
import type { Terms } from './options.js'
import type { Resource } from './resource.js'
import { type Answer, type Ask, type Claim, type Grant, LAST, type LockStore, type Mode, REFUSED } from './store.js'
import { type Call, Waiters } from './waiters.js'

/** Gets leases, in the order in which they were asked for over all processes; wakes waiters when the store calls them. */
export class Queue {
  readonly #store: LockStore
  readonly #leftovers: Leftovers
  readonly #waiters: Waiters
  /** Questions for a place that are under way, by the place of the resource: who comes later may not be before them. */
  readonly #coming = new Map<string, number>()
  /** First questions under way, and who was called before the answer that it must wait: the call may overtake it. */
  #asking = 0
  readonly #early = new Map<string, Call>()
  #outage: NodeJS.Timeout | undefined
  #closed: Error | undefined
  #endAsking: (() => void) | undefined

  constructor(store: LockStore) {
    this.#store = store
    this.#leftovers = new Leftovers(store)
    this.#waiters = new Waiters(store, this.#leftovers, () => this.#onAnswered())
    store.attach({
      called: (member, token, at) => {
        if (!this.#waiters.call(member, { token, at }) && this.#asking > 0) this.#early.set(member, { token, at })
      },
      missed: () => this.#waiters.askAll(),
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
      arrival: undefined,
      behind: this.#waiters.for(resource.place) || (this.#coming.size > 0 && this.#coming.has(resource.place)),
      latch: undefined,
    }
    // A mutex is first tried without looking at its queue, unless others of this process are known to be there.
    const straight = wait > 0 && (ask.behind || (!resource.mutex && store.listening))
    this.#asking++
    try {
      let answer: Answer = straight
        ? REFUSED
        : this.#inTime(await (signal ? this.#begin(ask, signal) : store.acquire(ask)))
      if (answer.state === 'refused' && wait > 0) answer = await this.#come(ask, signal)
      if (this.#closed) {
        this.forget(ask)
        throw this.#closed
      }
      if (answer.state === 'granted') return answer
      if (answer.state === 'refused') return undefined
      const had = this.#waiters.wait(ask, answer, begun + wait - store.now(), signal)
      const early = this.#early.get(ask.member)
      if (early) this.#waiters.call(ask.member, early)
      return had
    } catch (error) {
      if (error instanceof LateError) this.forget(ask)
      else if (!signal?.aborted || error !== signal.reason) this.#leftovers.failed(ask, error)
      throw error
    } finally {
      if (--this.#asking === 0 && this.#early.size > 0) this.#early.clear()
      this.#onAnswered()
    }
  }

  /** Ends a lease or a wait that nobody wants, now or when Redis is back. */
  forget(claim: Claim): void {
    this.#leftovers.forget(claim)
  }

  /**
   * Rejects all who wait, and who come. Resolves when nothing is asked any more, so that what an answer brings can be given back;
   * after `grace` milliseconds at the latest.
   */
  async close(error: Error, grace: number): Promise<void> {
    this.#closed = error
    clearTimeout(this.#outage)
    this.#waiters.end(error)
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#endAsking = resolve
      timer = setTimeout(resolve, grace)
      this.#onAnswered()
    })
    clearTimeout(timer)
  }

  #onAnswered(): void {
    if (this.#endAsking && this.#asking + this.#waiters.asking === 0) this.#endAsking()
  }

  /** Asks for a place in the queue. */
  async #come(ask: Ask, signal: AbortSignal | undefined): Promise<Answer> {
    const { place } = ask.resource
    const store = this.#store
    this.#coming.set(place, (this.#coming.get(place) ?? 0) + 1)
    try {
      if (!store.listening) await abortable(store.listen(), signal)
      ask.arrival = LAST
      ask.behind = true
      return this.#inTime(await (signal ? this.#begin(ask, signal) : store.acquire(ask)))
    } finally {
      const others = (this.#coming.get(place) ?? 1) - 1
      if (others > 0) this.#coming.set(place, others)
      else this.#coming.delete(place)
    }
  }

  /** A question. What its answer brings is not wanted any more when the signal is aborted before. */
  #begin(ask: Ask, signal: AbortSignal): Promise<Answer> {
    const asked = this.#store.acquire(ask)
    return abortable(asked, signal).catch((error: unknown) => {
      if (signal.aborted) {
        asked.then(
          () => this.forget(ask),
          (failure) => this.#leftovers.failed(ask, failure),
        )
      }
      throw error
    })
  }

  /** The answer, unless it took so long that the lease is over: then nothing was had. */
  #inTime(answer: Answer): Answer {
    if (answer.state !== 'granted' || this.#store.now() < answer.until) return answer
    throw new LateError('the lease ended before the answer that granted it arrived')
  }

  /** Waiters outlast an outage that is shorter than the deadline. */
  #onChanged(up: boolean): void {
    if (!up) {
      this.#outage ??= setTimeout(() => this.#onOutage(), this.#store.deadline).unref()
      return
    }
    clearTimeout(this.#outage)
    this.#outage = undefined
    this.#leftovers.retry()
    this.#waiters.askAll()
  }

  #onOutage(): void {
    this.#waiters.end(new Error('Redis did not come back in time'))
  }
}

class LateError extends Error {}
