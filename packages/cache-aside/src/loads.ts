import { type Epoch, encodeTag, localFeed, type Namespace } from '@larder/core'
import { Budget, SPENT } from './budget.js'
import type { Call } from './call-options.js'
import { publish } from './channel.js'
import type { Copy, Freshness, State } from './copy.js'
import { LoadTimeoutError } from './errors.js'
import { Flight, type Outcome, type Patience } from './flight.js'
import { Lease, type LeaseOptions } from './lease.js'
import { callLoader, type Draft, type DraftOptions, draft, type Load, LoadResult } from './load.js'
import type { Found, Reader } from './reader.js'
import type { Grant, Store } from './store.js'
import { withoutVersion } from './version.js'
import { type Wait, Waits } from './waits.js'

/** What {@link Loads} work with. */
export interface LoadsOptions extends DraftOptions {
  readonly namespace: Namespace
  readonly reader: Reader
  readonly store: Store
  /** Milliseconds that a lease holds without renewal. */
  readonly lease: number
  /** Milliseconds that a load of this process may be joined without hearing of changes. */
  readonly heartbeat: number
  /** Milliseconds after which a waiter asks whether Redis is still there. */
  readonly deadline: number
  /** Throws when nobody could invalidate tags. */
  requireTags(): void
}

/** Without a trusted feed nobody tells of a change: look again this often, in milliseconds. */
const POLL = 25

/** What a load starts from: the entry to refresh, or the id of one that is refused. */
export interface Start {
  readonly copy?: Copy | undefined
  readonly refuse?: Buffer | undefined
  /** What was refused, where it is kept to be revalidated. */
  readonly expired?: Copy | undefined
  /** Milliseconds that it took to find that out. */
  readonly spent?: number
  /** When the call began, by `performance.now()`. */
  readonly since?: number
}

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
      return this.#take(key, load, call, start, { answered }).join(patience)
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
    this.#take(key, load, call, { copy }, { background: true })
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

  #take(key: string, load: Load<unknown>, call: Call, start: Start, manner: Manner): Flight {
    const { epochs, clock } = this.#options.namespace
    const flight = new Flight(epochs.changes, clock.now(), async (self) => {
      try {
        return await this.#obtain(key, load, call, start, self, manner)
      } finally {
        this.#leave(key, self)
      }
    })
    this.#flights.set(key, flight)
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
      stale: () => this.#stale(copy, call),
    }
  }

  /** What is served instead of a load that failed, or takes too long. */
  #stale(old: Copy | undefined, call: Call): Outcome | undefined {
    if (old === undefined || call.force) return undefined
    if (this.#options.namespace.now() >= Math.max(old.staleUntil, old.errorUntil)) return undefined
    return { copy: old, state: 'stale', confirmed: false }
  }

  /** The right to load, or what somebody else loaded. */
  async #obtain(
    key: string,
    load: Load<unknown>,
    call: Call,
    first: Start,
    flight: Flight,
    { background, answered }: Manner,
  ): Promise<Outcome> {
    const { deadline } = this.#options
    let budget = new Budget(deadline - (first.spent ?? 0))
    let start = first
    let waited = false
    for (;;) {
      flight.signal.throwIfAborted()
      const wait = this.waits.open(key)
      try {
        const asking = this.#ask(key, call, start, flight)
        const asked = await budget.spend(asking)
        if (asked === SPENT) asking.then(giveBack, () => {})
        if (asked === SPENT || asked.state === 'unavailable')
          return await this.#load(key, load, call, start, flight, budget, background, undefined, 0)
        if (asked.state === 'mine')
          return await this.#load(key, load, call, start, flight, budget, background, asked.lease, asked.epoch)
        answered?.()
        if (asked.state === 'stored') {
          const found = await this.#options.reader.examine(asked.bytes, call).catch(() => undefined)
          if (found?.state === 'found' && found.freshness !== 'error' && !call.force) {
            return { copy: found.copy, state: stateOf(found.freshness, waited), confirmed: false }
          }
          start = startOf(found)
          continue
        }
        if (background && start.copy) return { copy: start.copy, state: 'stale', confirmed: false }
        waited = true
        await this.#await(wait, asked.wait, flight)
        budget = new Budget(deadline)
        if (start.copy) {
          const found = await this.#options.reader.read(key, call)
          if (found.state === 'found' && found.freshness !== 'error') {
            return { copy: found.copy, state: stateOf(found.freshness, waited), confirmed: false }
          }
          start = startOf(found)
        }
      } finally {
        wait.close()
      }
    }
  }

  async #ask(key: string, call: Call, start: Start, flight: Flight): Promise<Asked> {
    const { store, namespace, lease: limit } = this.#options
    const options: LeaseOptions = { limit, longest: call.hardTimeout ?? 10 * limit }
    const lease = new Lease(store, key, options, start.copy?.id)
    const tags = Array.isArray(call.tags)
      ? [...new Set([...call.implicit, ...call.tags.map(encodeTag)])]
      : call.implicit
    const need = call.ttl + Math.max(call.staleWhileRevalidate, call.staleIfError)
    flight.restart(namespace.epochs.changes)
    // The epoch is read before the load: an invalidation that comes during it makes the entry invalid.
    const [asked, epoch] = await Promise.allSettled([
      start.copy ? this.#askRefresh(lease, call.force) : lease.acquire(start.refuse),
      namespace.epochs.ensure(tags, need),
    ])
    if (asked.status === 'rejected') return { state: 'unavailable' }
    if (asked.value.state !== 'granted') return asked.value
    if (epoch.status === 'fulfilled') return { state: 'mine', lease, epoch: epoch.value }
    lease.release()
    return { state: 'unavailable' }
  }

  async #askRefresh(lease: Lease, steal: boolean): Promise<Grant> {
    return (await lease.acquireRefresh(steal)) ? { state: 'granted' } : { state: 'refused', wait: this.#options.lease }
  }

  /** Until the entry changes, its lease ends, or Redis is found to be away. */
  async #await(wait: Wait, limit: number, flight: Flight): Promise<void> {
    const { namespace, store } = this.#options
    for (let left = limit; left > 0 && !flight.signal.aborted; ) {
      if (!namespace.trusted()) return void (await wait.changed(POLL, flight.signal))
      const slice = Math.min(left, this.#options.deadline)
      if (await wait.changed(slice, flight.signal)) return
      left -= slice
      // Nobody tells of a Redis that hangs: ask.
      if (left > 0) await store.alive().catch(() => {})
      if (!store.up) return
    }
  }

  async #load(
    key: string,
    load: Load<unknown>,
    call: Call,
    { copy: old, expired }: Start,
    flight: Flight,
    budget: Budget,
    background: boolean | undefined,
    lease: Lease | undefined,
    epoch: Epoch,
  ): Promise<Outcome> {
    const { namespace, requireTags } = this.#options
    const stale = (old ?? expired)?.give(false)
    const result = new LoadResult(flight.signal, { stale, background, epoch }, requireTags)
    const began = namespace.clock.now()
    let made: Draft
    lease?.renew()
    try {
      const value = await callLoader(load, result).catch((error: unknown) => {
        publish({
          type: 'load',
          cache: call.cache,
          app: call.app,
          milliseconds: namespace.clock.now() - began,
          failed: true,
        })
        throw error
      })
      const loadMs = namespace.clock.now() - began
      publish({ type: 'load', cache: call.cache, app: call.app, milliseconds: loadMs, failed: false })
      made = await draft(key, { value, result, epoch, loadMs }, call, this.#options)
    } catch (error) {
      lease?.release()
      const outcome = this.#stale(old, call)
      if (outcome) return outcome
      throw error
    }
    if (lease && made.bytes) {
      const stored = await budget.spend(this.#fill(key, call, flight, lease, made.copy, made.bytes, made.life))
      return stored === SPENT ? { copy: made.copy, state: 'miss', confirmed: false } : stored
    }
    lease?.release()
    return { copy: made.copy, state: lease ? 'miss' : 'bypass', confirmed: false }
  }

  async #fill(
    key: string,
    call: Call,
    flight: Flight,
    lease: Lease,
    copy: Copy,
    bytes: Buffer,
    life: number,
  ): Promise<Outcome> {
    const { namespace, reader } = this.#options
    // Whoever comes from now on asks the store: this load's answer may be older than a change they know of.
    this.#leave(key, flight)
    const { changes } = namespace.epochs
    try {
      const verdict = await namespace.epochs.admit(copy.tags, copy.epoch, life)
      if (verdict === 'invalid') {
        lease.release()
        return { copy, state: 'miss', confirmed: false }
      }
      const settled = namespace.epochs.changes === changes
      const { connection } = namespace.feed
      const filling = lease.fill(bytes, life)
      // Begun when it is out: the memory of this process has told of it by now, and that is no change. What came before voids the lease.
      const mark = reader.fence.begin()
      try {
        const stored = await filling
        if (stored) reader.keep(key, copy, call, mark, connection)
        if (stored) publish({ type: 'store', cache: call.cache, app: call.app, bytes: bytes.length })
        return { copy, state: 'miss', confirmed: stored && settled }
      } finally {
        reader.fence.end()
      }
    } catch {
      // Else it would be renewed although nobody loads.
      lease.release()
      return { copy, state: 'miss', confirmed: false }
    }
  }
}

interface Manner {
  /** Nobody waits: whoever has the lease elsewhere does it instead. */
  readonly background?: boolean
  /** Called when the store answered that this process does not load now. */
  readonly answered?: (() => void) | undefined
}

type Asked =
  | Exclude<Grant, { state: 'granted' }>
  | { readonly state: 'mine'; readonly lease: Lease; readonly epoch: Epoch }
  | { readonly state: 'unavailable' }

/** A lease that was granted when nobody waited for it any more. */
function giveBack(asked: Asked): void {
  if (asked.state === 'mine') asked.lease.release()
}

function stateOf(freshness: Freshness, waited: boolean): State {
  if (freshness === 'stale') return 'stale'
  return waited ? 'coalesced' : 'hit'
}

function startOf(found: Found | undefined): Start {
  if (found?.state === 'found') return { copy: found.copy }
  return found?.state === 'absent' ? { refuse: found.refuse, expired: found.expired } : {}
}
