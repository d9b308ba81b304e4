import { localFeed } from '@larder/core'
import type { Call } from './call-options.js'
import type { Copy } from './copy.js'
import { LoadTimeoutError } from './errors.js'
import { Flight, type Outcome, type Patience } from './flight.js'
import type { Load } from './load.js'
import { Loading, type LoadsOptions, type Order, type Start, staleOutcome } from './loading.js'
import { withoutVersion } from './version.js'
import { Waits } from './waits.js'

/** The loads of one cache: one a key at a time over all processes, joined by all callers of this one (G2). */
export class Loads {
  readonly waits: Waits = new Waits()
  readonly #flights = new Map<string, Flight>()
  readonly #options: LoadsOptions
  #closed: Error | undefined

  constructor(options: LoadsOptions) {
    this.#options = options
  }

  /**
   * Loads, or joins the load under way. `undefined`: what was joined cannot be used by somebody who came this late, look again (G1).
   * Rejects with the loader's error (G6). `answered` is called when it is known that `load` is not called now.
   */
  async run(
    key: string,
    load: Load<unknown>,
    call: Call,
    start: Start,
    answered?: () => void,
  ): Promise<Outcome | undefined> {
    if (this.#closed) throw this.#closed
    const flight = this.#flights.get(key)
    const patience = this.#patience(key, call, start)
    if (flight === undefined || flight.signal.aborted) {
      return this.#take({ key, load, call, start, answered }).join(patience)
    }
    answered?.()
    if (call.force) {
      const error: unknown = await flight.join(patience).then(
        () => undefined,
        (reason) => reason,
      )
      call.signal?.throwIfAborted()
      if (error instanceof LoadTimeoutError) throw error
      return undefined
    }
    const late = this.#isLate(flight, call, start)
    const outcome = await flight.join(patience)
    if (!late || outcome.confirmed) return { ...outcome, state: outcome.state === 'stale' ? 'stale' : 'coalesced' }
    return outcome.state === 'stale' && start.copy ? { copy: start.copy, state: 'stale', confirmed: false } : undefined
  }

  /** Loads in the background; whoever has the lease elsewhere does it instead. */
  refresh(key: string, load: Load<unknown>, call: Call, copy: Copy): void {
    if (this.#flights.has(key) || this.#closed) return
    const patience = { ...this.#patience(key, call, { copy }), signal: undefined, soft: undefined }
    this.#take({ key, load, call, start: { copy }, background: true })
      .join(patience)
      .catch(() => {})
  }

  /** Later callers do not join the load under way. */
  detach(key: string): void {
    this.#flights.delete(key)
    this.waits.wake(key)
  }

  detachWhere(matches: (key: string) => boolean): void {
    for (const key of this.#flights.keys()) if (matches(key)) this.detach(key)
  }

  /** The entry was heard to change. */
  suspect(key: string): void {
    const flight = this.#flights.get(key)
    if (flight) flight.suspected = true
    this.waits.wake(key)
  }

  suspectAll(): void {
    for (const flight of this.#flights.values()) flight.suspected = true
    this.waits.wakeAll()
  }

  /** Ends all loads under way; their callers get the reason, and later ones. */
  close(reason: Error): void {
    this.#closed = reason
    for (const flight of this.#flights.values()) flight.abort(reason)
  }

  #isLate(flight: Flight, call: Call, { since = Number.POSITIVE_INFINITY }: Start): boolean {
    const { epochs, feed, clock } = this.#options.namespace
    if (flight.suspected || flight.changes !== epochs.changes) return true
    const now = clock.now()
    const told = now <= feed.trustedUntil
    // Who is told of nothing, or goes by Redis alone, takes what was asked before he came only if Redis confirms it (G1: "at once").
    if (feed !== localFeed && this.#options.store.up && !(told && call.memory)) return flight.askedAt <= since
    // With Redis away nobody confirms anything, so nobody joins a load of that age.
    return !told && now - flight.startedAt > this.#options.heartbeat
  }

  #take(order: Order): Flight {
    const { epochs, clock } = this.#options.namespace
    const flight = new Flight(epochs.changes, clock.now(), async (self) => {
      const leave = (): void => this.#leave(order.key, self)
      try {
        return await new Loading(order, self, { options: this.#options, waits: this.waits, leave }).run()
      } finally {
        leave()
      }
    })
    this.#flights.set(order.key, flight)
    return flight
  }

  #leave(key: string, flight: Flight): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }

  /** How long a caller waits for a load, his own or another's. */
  #patience(key: string, call: Call, { copy }: Start): Patience {
    const { hardTimeout: limit } = call
    return {
      signal: call.signal,
      soft: call.softTimeout,
      hard: limit === undefined ? undefined : { limit, error: () => new LoadTimeoutError(withoutVersion(key), limit) },
      stale: () => staleOutcome(copy, call, this.#options.namespace.now()),
    }
  }
}
