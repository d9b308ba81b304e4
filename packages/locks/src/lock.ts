import type { Duration, Log } from '@larder/core'
import { type LockEvent, type LockKind, type LossReason, locksChannel, type ReleaseAnswer } from './channel.js'
import { LostError, UnavailableError } from './errors.js'
import { resolveTtl } from './options.js'
import type { Kept, Renewal } from './renewal.js'
import type { Resource } from './resource.js'
import type { Claim, Grant, LockStore, RenewAnswer } from './store.js'

/** A lease on a lock: exclusive use until it is released or {@link signal} is aborted. `await using` releases it. */
export interface Lock extends AsyncDisposable {
  /** What is locked, as one string. */
  readonly name: string
  /**
   * Grows with every grant of this lock, for ever: hand it to what the lock protects, and let that refuse a smaller one than it
   * has seen. It is the only guard against a holder that was paused and does not know yet that its lease is over.
   */
  readonly fencingToken: bigint
  /**
   * Aborted when the lease is lost, with a `LARDER_LOCKS_LOST` as reason: at its deadline by this process's own clock unless a
   * renewal succeeded before, or as soon as a renewal finds that others have it. Not by {@link release}.
   */
  readonly signal: AbortSignal
  /** Whether the lease is ours at this moment, by this process's own clock. */
  readonly held: boolean
  /** Milliseconds until the lease ends if it is not renewed. */
  readonly remaining: number
  /**
   * Prolongs the lease: it lasts `ttl` from now (default: as long as it was acquired for). Renewal does so by itself.
   *
   * @throws `LARDER_LOCKS_UNAVAILABLE` when Redis does not answer: the lease may have been prolonged or not
   */
  extend(ttl?: Duration): Promise<RenewAnswer>
  /**
   * Ends the lease and tells what was true: `released`; `expired`, it had ended before; `stolen`, it had ended and others have
   * the lock. Further calls give the same answer.
   *
   * @throws `LARDER_LOCKS_UNAVAILABLE` when Redis does not answer: call it again, or leave it to the lease's end
   */
  release(): Promise<ReleaseAnswer>
}

/** What a {@link Lease} works with. */
export interface LeaseContext {
  readonly store: LockStore
  readonly renewal: Renewal
  /** The application, in events. */
  readonly app: object
  /** Name of the registration, in events. */
  readonly locks: string
  readonly log: Log
  /** Ends a lease on the store that nobody here holds. */
  forget(claim: Claim): void
}

/** A {@link Lock} of this process. */
export class Lease implements Lock, Kept {
  readonly resource: Resource
  readonly member: string
  latch: string | undefined
  renewAt = 0
  pending = 0
  readonly #token: string
  readonly #renew: boolean
  readonly #context: LeaseContext
  readonly #kind: LockKind
  readonly #thin: boolean
  readonly #granted: number
  #ttl: number
  #since: number
  #deadline: number
  /** Whether it has its full length: not yet for a waiter who was called. */
  #confirmed: boolean
  #controller: AbortController | undefined
  #lost: Error | undefined
  #over = false
  #released: Promise<ReleaseAnswer> | undefined
  #onReleased: (() => void) | undefined

  constructor(context: LeaseContext, kind: LockKind, renew: boolean, grant: Grant) {
    this.resource = grant.claim.resource
    this.member = grant.claim.member
    this.#token = grant.token
    this.#renew = renew
    this.#context = context
    this.#kind = kind
    this.#thin = grant.thin
    this.#ttl = grant.claim.ttl
    this.#granted = grant.since
    this.#since = grant.since
    this.#deadline = grant.until
    this.#confirmed = grant.had !== 'called'
    if (this.#confirmed) context.renewal.add(this)
    else context.renewal.confirm(this)
  }

  get fencingToken(): bigint {
    return BigInt(this.#token)
  }

  get name(): string {
    return this.resource.name
  }

  get ttl(): number {
    return this.#ttl
  }

  get deadline(): number {
    return this.#deadline
  }

  get renew(): boolean {
    return this.#renew || !this.#confirmed
  }

  get held(): boolean {
    return !this.#released && !this.#lost && this.#context.store.now() < this.#deadline
  }

  get remaining(): number {
    return this.held ? this.#deadline - this.#context.store.now() : 0
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#lost) this.#controller.abort(this.#lost)
    }
    // Timers are late in a blocked event loop; who looks is told the truth.
    if (!this.#lost && !this.#released && this.#context.store.now() >= this.#deadline) this.lose('deadline')
    return this.#controller.signal
  }

  async extend(ttl?: Duration): Promise<RenewAnswer> {
    const length = ttl === undefined ? this.#ttl : resolveTtl(ttl)
    if (this.#released) return 'expired'
    const { answer, since } = await this.#context.renewal.extend(this, length).catch((error: Error) => {
      throw this.#unavailable(error)
    })
    if (answer !== 'extended') {
      this.lose(answer)
      return answer
    }
    if (this.#lost || this.#released) {
      // Its holder was told that it is over, and nobody keeps it.
      if (!this.#released) this.#context.forget(this)
      return 'expired'
    }
    this.#ttl = length
    this.extended(since, length)
    this.#context.renewal.add(this)
    return answer
  }

  release(): Promise<ReleaseAnswer> {
    if (this.#released) return this.#released
    this.#context.renewal.delete(this)
    const released = this.#release()
    this.#released = released
    // Failed: it can be called again. Nor may a caller who does not wait for it be hit by the rejection.
    released.catch(() => {
      this.#released = undefined
    })
    return released
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release()
    } catch (error) {
      this.#context.log.warn(
        { err: error, lock: this.name },
        'larder: a lock could not be released: that is done when Redis is back, else it ends with its lease',
      )
      this.#context.forget(this)
    }
  }

  extended(since: number, ttl: number): void {
    if (since < this.#since) return
    this.#since = since
    this.#deadline = since + ttl
    this.#confirmed = true
  }

  lose(reason: LossReason): void {
    this.#context.renewal.delete(this)
    if (this.#lost || this.#released) return
    this.#over = reason !== 'closed'
    this.#lost = new LostError(this.name, LOSSES[reason])
    this.#publish({ type: 'lost', reason })
    this.#controller?.abort(this.#lost)
  }

  whenReleased(): Promise<void> {
    return new Promise((resolve) => {
      this.#onReleased = resolve
    })
  }

  async #release(): Promise<ReleaseAnswer> {
    try {
      const found = await this.#context.store.release(this, this.#thin)
      // The server's end of a lease is a little later than the deadline here, of which the holder was told already.
      const answer = found === 'released' && this.#over ? 'expired' : found
      this.#publish({ type: 'released', answer })
      return answer
    } catch (error) {
      throw this.#unavailable(error as Error)
    } finally {
      this.#onReleased?.()
    }
  }

  #unavailable(cause: Error): Error {
    return new UnavailableError(this.name, cause.message, { cause })
  }

  #publish(event: { type: 'lost'; reason: LossReason } | { type: 'released'; answer: ReleaseAnswer }): void {
    if (!locksChannel.hasSubscribers) return
    const held = this.#context.store.now() - this.#granted
    const { app, locks } = this.#context
    const about = { app, locks, kind: this.#kind, lock: this.name }
    locksChannel.publish({ ...about, ...event, held } satisfies LockEvent)
  }
}

const LOSSES: Record<LossReason, string> = {
  deadline: 'its lease was not renewed in time',
  expired: 'its lease has ended',
  stolen: 'others have it',
  closed: 'the application is closing',
}
