import type { LossReason } from './channel.js'
import { CLAIM, type Claim, type LockStore, type RenewAnswer } from './store.js'

/** Milliseconds between two looks at the clock while leases are held: after a sleep of the machine timers are late by it. */
const LOOK_EVERY = 50
/** Parts of a lease: renewed after one third; a failed renewal is tried again after a tenth; who is due soon goes along. */
const RENEW_AT = 1 / 3
const RETRY_AT = 1 / 10
const SOON = 1 / 12

/** A lease that is kept alive, and told when it is over. Times on the store's clock. */
export interface Kept extends Claim {
  /** When it ends for sure, unless it is renewed before. */
  readonly deadline: number
  /** Whether it is to be renewed. */
  readonly renew: boolean
  /** A renewal that was asked for at `since` succeeded: from then on it lasts `ttl` milliseconds. */
  extended(since: number, ttl: number): void
  /** It is over. */
  lose(reason: LossReason): void
  /** Resolves when its holder has released it, or tried to. */
  whenReleased(): Promise<void>
  /** For {@link Renewal}: when it is due. */
  renewAt: number
  /** For {@link Renewal}: renewals under way. */
  pending: number
}

/**
 * Keeps the leases of this process alive, many in one command, and tells each when its deadline has passed, by this process's
 * own clock: also when Redis is silent, after the event loop was blocked, and after the machine slept.
 */
export class Renewal {
  readonly #store: LockStore
  readonly #forget: (claim: Claim) => void
  readonly #kept = new Set<Kept>()
  #timer: NodeJS.Timeout | undefined
  /** When the timer rings, and when anything is due at the earliest. */
  #rings = 0
  #earliest = Number.POSITIVE_INFINITY

  /** @param forget ends a lease on the store that was lost here */
  constructor(store: LockStore, forget: (claim: Claim) => void) {
    this.#store = store
    this.#forget = forget
  }

  /** Leases held now. */
  get size(): number {
    return this.#kept.size
  }

  /** Keeps a lease. */
  add(lease: Kept): void {
    lease.renewAt = dueOf(lease)
    this.#kept.add(lease)
    this.#watch(lease)
  }

  /** Keeps a lease that is shorter than its `ttl`, and prolongs it at once. */
  confirm(lease: Kept): void {
    lease.renewAt = this.#store.now() + Math.min(CLAIM, lease.ttl) * RENEW_AT
    this.#kept.add(lease)
    this.#watch(lease)
    // Its holder goes first.
    setImmediate(() => {
      if (this.#kept.has(lease)) this.#renew([lease])
    })
  }

  /** Keeps a lease no longer. */
  delete(lease: Kept): void {
    this.#kept.delete(lease)
  }

  /** Prolongs one lease now, by its `ttl` or another. */
  extend(lease: Kept, ttl: number): Promise<{ answer: RenewAnswer; since: number }> {
    return new Promise((resolve, reject) => {
      const { resource, member } = lease
      this.#store.renew([{ resource, member, ttl, latch: undefined }], (_index, answer, since) => {
        if (answer instanceof Error) reject(answer)
        else resolve({ answer, since })
      })
    })
  }

  /** Tells all holders that it is over, and gives them `grace` milliseconds to release. */
  async drain(grace: number): Promise<void> {
    const leases = [...this.#kept]
    clearTimeout(this.#timer)
    if (leases.length === 0) return
    const released = Promise.all(leases.map((lease) => lease.whenReleased()))
    for (const lease of leases) lease.lose('closed')
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, grace)
    })
    await Promise.race([released, late])
    clearTimeout(timer)
  }

  /** Sees to it that what is due of a lease is not missed. */
  #watch(lease: Kept): void {
    this.#due(Math.min(lease.renewAt, lease.deadline))
  }

  #due(at: number): void {
    if (at < this.#earliest) this.#earliest = at
    if (this.#timer && at >= this.#rings) return
    clearTimeout(this.#timer)
    const now = this.#store.now()
    const rest = Math.min(Math.max(Math.ceil(this.#earliest - now), 1), LOOK_EVERY)
    this.#rings = now + rest
    this.#timer = setTimeout(() => this.#onRing(), rest).unref()
  }

  #onRing(): void {
    this.#timer = undefined
    if (this.#kept.size === 0) {
      this.#earliest = Number.POSITIVE_INFINITY
      return
    }
    const now = this.#store.now()
    if (now >= this.#earliest) this.#onDue(now)
    if (this.#kept.size > 0) this.#due(this.#earliest)
  }

  #onDue(now: number): void {
    const due: Kept[] = []
    let earliest = Number.POSITIVE_INFINITY
    for (const lease of this.#kept) {
      if (now >= lease.deadline) {
        this.#onDeadline(lease)
        continue
      }
      if (lease.renew && now >= lease.renewAt - lease.ttl * SOON) {
        due.push(lease)
        lease.renewAt = now + lease.ttl * RENEW_AT
      }
      earliest = Math.min(earliest, lease.deadline, lease.renew ? lease.renewAt : Number.POSITIVE_INFINITY)
    }
    this.#earliest = earliest
    if (due.length > 0) this.#renew(due)
  }

  #renew(leases: readonly Kept[]): void {
    for (const lease of leases) lease.pending++
    // As asked for: extend() may change it before the answer.
    const lengths = leases.map(({ ttl }) => ttl)
    this.#store.renew(leases, (index, answer, since) => {
      this.#onAnswer(leases[index] as Kept, answer, since, lengths[index] as number)
    })
  }

  #onDeadline(lease: Kept): void {
    if (lease.pending === 0) {
      lease.lose('deadline')
      return
    }
    // The answer to a renewal may lie in the socket while we were busy: it gets its turn before the verdict.
    setImmediate(() => {
      if (this.#kept.has(lease) && this.#store.now() >= lease.deadline) lease.lose('deadline')
    })
  }

  #onAnswer(lease: Kept, answer: RenewAnswer | Error, since: number, ttl: number): void {
    // Told twice, when the answer to a renewal that had failed arrives after all.
    lease.pending = Math.max(lease.pending - 1, 0)
    if (!this.#kept.has(lease)) {
      // Prolonged although it was lost here meanwhile: nobody holds it.
      if (answer === 'extended') this.#forget(lease)
      return
    }
    if (answer instanceof Error) {
      lease.renewAt = Math.min(lease.renewAt, this.#store.now() + (lease.deadline - since) * RETRY_AT)
      this.#watch(lease)
    } else if (answer === 'extended') {
      lease.extended(since, ttl)
      lease.renewAt = ttl === lease.ttl ? Math.max(lease.renewAt, dueOf(lease)) : dueOf(lease)
      this.#watch(lease)
    } else lease.lose(answer)
  }
}

/** At once, if it is shorter than it should be: an answer to an older renewal came after that to extend(). */
function dueOf({ deadline, ttl }: Kept): number {
  return deadline - ttl * (1 - RENEW_AT)
}
