import { invalidOption } from '@larder/core'
import type { LockEvent, LockKind } from './channel.js'
import { locksChannel } from './channel.js'
import { ReplicasError, TimeoutError, UnavailableError } from './errors.js'
import { Lease, type LeaseContext, type Lock } from './lock.js'
import { type AcquireOptions, resolveCall, type Terms } from './options.js'
import type { Queue } from './queue.js'
import type { Resource } from './resource.js'
import type { Mode } from './store.js'

/** What makes leases: shared by all locks of a registration. */
export interface Workshop extends LeaseContext {
  readonly queue: Queue
}

/** One way to hold one resource. */
export class Acquirer {
  readonly #workshop: Workshop
  readonly #resource: Resource
  readonly #kind: LockKind
  readonly #mode: Mode
  readonly #defaults: Terms

  constructor(workshop: Workshop, resource: Resource, kind: LockKind, mode: Mode, defaults: Terms) {
    this.#workshop = workshop
    this.#resource = resource
    this.#kind = kind
    this.#mode = mode
    this.#defaults = defaults
  }

  /** Waits for a lease; rejects `LARDER_LOCKS_TIMEOUT` when the wait is over. */
  acquire(options?: AcquireOptions): Promise<Lock> {
    try {
      return this.obtain(resolveCall(options, this.#defaults), true)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** A lease, or `undefined` when it is not free now. */
  async tryAcquire(options?: Omit<AcquireOptions, 'wait'>): Promise<Lock | undefined> {
    return this.obtain({ ...resolveCall(options, this.#defaults), wait: 0 }, false)
  }

  /** Runs the routine with a lease, and releases it whatever happens. The routine's own result or error is what one gets. */
  using<T>(routine: (lock: Lock) => T | PromiseLike<T>): Promise<T>
  using<T>(options: AcquireOptions, routine: (lock: Lock) => T | PromiseLike<T>): Promise<T>
  async using<T>(
    options: AcquireOptions | ((lock: Lock) => T | PromiseLike<T>),
    routine?: (lock: Lock) => T | PromiseLike<T>,
  ): Promise<T> {
    const run = typeof options === 'function' ? options : routine
    if (typeof run !== 'function') throw invalidOption('routine', 'a function', run)
    const lock = await this.acquire(typeof options === 'function' ? undefined : options)
    try {
      return await run(lock)
    } finally {
      await lock[Symbol.asyncDispose]()
    }
  }

  /** A lease; when the wait is over, `undefined`, or if it is required `LARDER_LOCKS_TIMEOUT`. */
  obtain(terms: Terms, required: true): Promise<Lease>
  obtain(terms: Terms, required: boolean): Promise<Lease | undefined>
  async obtain(terms: Terms, required: boolean): Promise<Lease | undefined> {
    const workshop = this.#workshop
    const heard = locksChannel.hasSubscribers
    const begun = heard ? workshop.store.now() : 0
    try {
      const grant = await workshop.queue.acquire(this.#resource, this.#mode, terms)
      if (!grant) {
        if (required) throw new TimeoutError(this.#resource.name, terms.wait)
        if (heard) this.#failed(begun, 'busy')
        return undefined
      }
      const lease = new Lease(workshop, this.#kind, terms.renew, grant)
      if (terms.requireReplicas > 0) await this.#replicate(lease, terms.requireReplicas)
      if (heard) this.#publish({ type: 'acquired', waited: workshop.store.now() - begun, queued: grant.had !== 'free' })
      return lease
    } catch (error) {
      const failure = this.#explain(error, terms.signal)
      if (heard) this.#failed(begun, failure.reason)
      throw failure.error
    }
  }

  async #replicate(lease: Lease, required: number): Promise<void> {
    try {
      const { confirmed } = await this.#workshop.store.replicate(lease, required)
      if (confirmed < required) throw new ReplicasError(lease.name, required, confirmed)
    } catch (error) {
      this.#workshop.renewal.delete(lease)
      this.#workshop.queue.forget(lease)
      throw error
    }
  }

  #explain(error: unknown, signal: AbortSignal | undefined): { error: unknown; reason: Failure } {
    if (signal?.aborted && error === signal.reason) return { error, reason: 'aborted' }
    if (error instanceof TimeoutError) return { error, reason: 'timeout' }
    if (error instanceof ReplicasError) return { error, reason: 'replicas' }
    const message = error instanceof Error ? error.message : String(error)
    return { error: new UnavailableError(this.#resource.name, message, { cause: error }), reason: 'unavailable' }
  }

  #failed(begun: number, reason: Failure): void {
    this.#publish({ type: 'failed', waited: this.#workshop.store.now() - begun, reason })
  }

  #publish(event: Acquired | Failed): void {
    locksChannel.publish({
      app: this.#workshop.app,
      locks: this.#workshop.locks,
      kind: this.#kind,
      lock: this.#resource.name,
      ...event,
    } satisfies LockEvent)
  }
}

type Bare<T> = Omit<T, 'app' | 'locks' | 'kind' | 'lock'>
type Acquired = Bare<LockEvent & { type: 'acquired' }>
type Failed = Bare<LockEvent & { type: 'failed' }>
type Failure = Failed['reason']
