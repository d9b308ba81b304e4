import { type Epoch, encodeTag, type Namespace } from '@larder/core'
import { Budget, SPENT } from './budget.js'
import type { Call } from './call-options.js'
import { publish } from './channel.js'
import type { Copy, Freshness, State } from './copy.js'
import type { Flight, Outcome } from './flight.js'
import { Lease, type LeaseOptions } from './lease.js'
import { callLoader, type Draft, type DraftOptions, draft, type Load, LoadResult } from './load.js'
import type { Found, Reader } from './reader.js'
import type { Grant, Store } from './store.js'
import type { Wait, Waits } from './waits.js'

/** Without a trusted feed nobody tells of a change: look again this often, in milliseconds. */
const POLL = 25

/** What loads work with. */
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

/** What a {@link Loading} loads, and for whom. */
export interface Order {
  readonly key: string
  readonly load: Load<unknown>
  readonly call: Call
  readonly start: Start
  /** Nobody waits: whoever has the lease elsewhere does it instead. */
  readonly background?: boolean
  /** Called when the store answered that this process does not load now. */
  readonly answered?: (() => void) | undefined
}

/** What a {@link Loading} asks of the loads that it is one of. */
export interface Surroundings {
  readonly options: LoadsOptions
  readonly waits: Waits
  /** Later callers do not join it. */
  leave(): void
}

/** What is served instead of a load that failed, or takes too long. `now`: Redis time. */
export function staleOutcome(old: Copy | undefined, call: Call, now: number): Outcome | undefined {
  if (old === undefined || call.force || now >= Math.max(old.staleUntil, old.errorUntil)) return undefined
  return { copy: old, state: 'stale', confirmed: false }
}

/** One load: gets the right to it, or what somebody else loaded; calls the loader, and stores what it brought. */
export class Loading {
  readonly #order: Order
  readonly #flight: Flight
  readonly #options: LoadsOptions
  readonly #waits: Waits
  readonly #leave: () => void
  /** What is left of the time that the store may take. */
  #budget: Budget
  #start: Start
  #waited = false

  constructor(order: Order, flight: Flight, { options, waits, leave }: Surroundings) {
    this.#order = order
    this.#flight = flight
    this.#options = options
    this.#waits = waits
    this.#leave = leave
    this.#start = order.start
    this.#budget = new Budget(options.deadline - (order.start.spent ?? 0))
  }

  /** Rejects with the loader's error, or when the flight is aborted. */
  async run(): Promise<Outcome> {
    const { key, answered } = this.#order
    for (;;) {
      this.#flight.signal.throwIfAborted()
      const wait = this.#waits.open(key)
      try {
        const asking = this.#ask()
        const asked = await this.#budget.spend(asking)
        if (asked === SPENT) asking.then(giveBack, () => {})
        if (asked === SPENT || asked.state === 'unavailable') return await this.#load(undefined, 0)
        if (asked.state === 'mine') return await this.#load(asked.lease, asked.epoch)
        answered?.()
        const outcome = await (asked.state === 'stored' ? this.#take(asked.bytes) : this.#wait(wait, asked.wait))
        if (outcome) return outcome
      } finally {
        wait.close()
      }
    }
  }

  async #ask(): Promise<Asked> {
    const { key, call } = this.#order
    const { store, namespace, lease: limit } = this.#options
    const { copy, refuse } = this.#start
    const options: LeaseOptions = { limit, longest: call.hardTimeout ?? 10 * limit }
    const lease = new Lease(store, key, options, copy?.id)
    const tags = Array.isArray(call.tags)
      ? [...new Set([...call.implicit, ...call.tags.map(encodeTag)])]
      : call.implicit
    const need = call.ttl + Math.max(call.staleWhileRevalidate, call.staleIfError)
    this.#flight.restart(namespace.epochs.changes)
    // The epoch is read before the load: an invalidation that comes during it makes the entry invalid.
    const [asked, epoch] = await Promise.allSettled([
      copy ? this.#askRefresh(lease) : lease.acquire(refuse),
      namespace.epochs.ensure(tags, need),
    ])
    if (asked.status === 'rejected') return { state: 'unavailable' }
    if (asked.value.state !== 'granted') return asked.value
    if (epoch.status === 'fulfilled') return { state: 'mine', lease, epoch: epoch.value }
    lease.release()
    return { state: 'unavailable' }
  }

  async #askRefresh(lease: Lease): Promise<Grant> {
    const granted = await lease.acquireRefresh(this.#order.call.force)
    return granted ? { state: 'granted' } : { state: 'refused', wait: this.#options.lease }
  }

  /** What somebody else stored, where it may be used; else it is what to start from next. */
  async #take(bytes: Buffer): Promise<Outcome | undefined> {
    const { call } = this.#order
    const found = await this.#options.reader.examine(bytes, call).catch(() => undefined)
    if (!call.force) return this.#usable(found)
    this.#start = startOf(found)
    return undefined
  }

  /** Waits for whoever has the lease; of a refresh, it looks at what he stored. */
  async #wait(wait: Wait, limit: number): Promise<Outcome | undefined> {
    const { key, call, background } = this.#order
    const { copy } = this.#start
    if (background && copy) return { copy, state: 'stale', confirmed: false }
    this.#waited = true
    await this.#await(wait, limit)
    this.#budget = new Budget(this.#options.deadline)
    return copy ? this.#usable(await this.#options.reader.read(key, call)) : undefined
  }

  #usable(found: Found | undefined): Outcome | undefined {
    if (found?.state === 'found' && found.freshness !== 'error') {
      return { copy: found.copy, state: stateOf(found.freshness, this.#waited), confirmed: false }
    }
    this.#start = startOf(found)
    return undefined
  }

  /** Until the entry changes, its lease ends, or Redis is found to be away. */
  async #await(wait: Wait, limit: number): Promise<void> {
    const { namespace, store, deadline } = this.#options
    const { signal } = this.#flight
    for (let left = limit; left > 0 && !signal.aborted; ) {
      if (!namespace.trusted()) return void (await wait.changed(POLL, signal))
      const slice = Math.min(left, deadline)
      if (await wait.changed(slice, signal)) return
      left -= slice
      // Nobody tells of a Redis that hangs: ask.
      if (left > 0) await store.alive().catch(() => {})
      if (!store.up) return
    }
  }

  async #load(lease: Lease | undefined, epoch: Epoch): Promise<Outcome> {
    const { key, call, background } = this.#order
    const { namespace, requireTags } = this.#options
    const { copy: old, expired } = this.#start
    const stale = (old ?? expired)?.give(false)
    const result = new LoadResult(this.#flight.signal, { stale, background, epoch }, requireTags)
    let made: Draft
    lease?.renew()
    try {
      const { value, loadMs } = await this.#call(result)
      made = await draft(key, { value, result, epoch, loadMs }, call, this.#options)
    } catch (error) {
      lease?.release()
      const outcome = staleOutcome(old, call, namespace.now())
      if (outcome) return outcome
      throw error
    }
    if (lease && made.bytes) {
      const stored = await this.#budget.spend(this.#fill(lease, made.copy, made.bytes, made.life))
      return stored === SPENT ? { copy: made.copy, state: 'miss', confirmed: false } : stored
    }
    lease?.release()
    return { copy: made.copy, state: lease ? 'miss' : 'bypass', confirmed: false }
  }

  /** Calls the loader, and tells how long it took. */
  async #call(result: LoadResult): Promise<{ value: unknown; loadMs: number }> {
    const { load, call } = this.#order
    const { clock } = this.#options.namespace
    const began = clock.now()
    let failed = true
    try {
      const value = await callLoader(load, result)
      failed = false
      return { value, loadMs: clock.now() - began }
    } finally {
      publish({ type: 'load', cache: call.cache, app: call.app, milliseconds: clock.now() - began, failed })
    }
  }

  async #fill(lease: Lease, copy: Copy, bytes: Buffer, life: number): Promise<Outcome> {
    const { key, call } = this.#order
    const { namespace, reader } = this.#options
    // Whoever comes from now on asks the store: this load's answer may be older than a change they know of.
    this.#leave()
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
