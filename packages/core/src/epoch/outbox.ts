import type { Caller } from '../caller.js'
import type { Gate } from '../gate.js'

/** Something that must reach Redis, sooner or later; doing it twice does no harm. */
export interface Invalidation {
  /** Two of the same id are one. */
  readonly id: string
  apply(redis: Caller): Promise<unknown>
  /** Called once, when it was applied for the first time. */
  done?(): void
}

interface Kept {
  readonly invalidation: Invalidation
  /** When Redis acknowledged it; `undefined` as long as it did not. */
  acknowledged: number | undefined
}

/** Options of an {@link Outbox}. */
export interface OutboxOptions {
  /** Milliseconds that an acknowledged invalidation is kept, to be repeated after a failover that lost it. */
  readonly replayFor: number
  /** Invalidations kept at most. */
  readonly limit: number
  /** What stands for all of them when there are more: the invalidation of the whole namespace. */
  readonly overflow: Invalidation
  /** The overflow takes effect in this process. */
  onOverflow(): void
  /** The time, in milliseconds. */
  now(): number
}

/** Replayed at a time. */
const CHUNK = 256

/**
 * The invalidations of this process that Redis may not have, or may lose: made while it was away (G8), or acknowledged just before
 * a failover. They are replayed before Redis is trusted again.
 */
export class Outbox {
  readonly #gate: Gate
  readonly #options: OutboxOptions
  readonly #kept = new Map<string, Kept>()
  #overflowUntil = Number.NEGATIVE_INFINITY
  #overflowPending = false
  #lostAt: number | undefined

  constructor(gate: Gate, options: OutboxOptions) {
    this.#gate = gate
    this.#options = options
  }

  /** How many invalidations Redis has not acknowledged. */
  get pending(): number {
    let count = this.#overflowPending ? 1 : 0
    for (const { acknowledged } of this.#kept.values()) if (acknowledged === undefined) count++
    return count
  }

  /** A connection is gone, maybe by a failover: what was acknowledged shortly before is kept until it is repeated. */
  lost(): void {
    this.#lostAt ??= this.#options.now()
  }

  /** Applies an invalidation now, or keeps it until Redis is back. Never rejects. */
  async run(invalidation: Invalidation): Promise<void> {
    const { breaker } = this.#gate
    const away = !this.#gate.up && !breaker.connecting && !breaker.recovering
    if (away && this.#isWaiting(invalidation.id)) {
      invalidation.done?.()
      return
    }
    const kept = this.#keep(invalidation)
    if (away) return
    try {
      // The replay may be past its turn already.
      await invalidation.apply(breaker.recovering ? this.#gate.unguarded : this.#gate)
      this.#acknowledge(kept)
    } catch (error) {
      // A later one of the same id has taken over.
      if (this.#kept.get(invalidation.id) !== kept) this.#acknowledge(kept)
      // What Redis refused (it is read-only, or full) must be repeated before anybody reads from it.
      breaker.trip(error instanceof Error ? error.message : String(error))
    }
  }

  /** Repeats what is not acknowledged, and what was acknowledged lately. Rejects when Redis fails again. */
  async replay(): Promise<void> {
    this.#prune()
    if (this.#overflowUntil > this.#since() || this.#overflowPending) {
      await this.#options.overflow.apply(this.#gate.unguarded)
      if (this.#overflowPending) this.#options.overflow.done?.()
      this.#overflowPending = false
    }
    const all = [...this.#kept.values()]
    for (let i = 0; i < all.length; i += CHUNK) {
      await Promise.all(
        all.slice(i, i + CHUNK).map(async (kept) => {
          await kept.invalidation.apply(this.#gate.unguarded)
          this.#acknowledge(kept)
        }),
      )
    }
    this.#lostAt = undefined
  }

  /** When Redis was last known to be the one that acknowledged. */
  #since(): number {
    return this.#lostAt ?? this.#options.now()
  }

  #isWaiting(id: string): boolean {
    const kept = this.#kept.get(id)
    return kept !== undefined && kept.acknowledged === undefined
  }

  #keep(invalidation: Invalidation): Kept {
    const kept: Kept = { invalidation, acknowledged: undefined }
    this.#kept.delete(invalidation.id)
    this.#kept.set(invalidation.id, kept)
    if (this.#kept.size > this.#options.limit) this.#prune()
    if (this.#kept.size > this.#options.limit) this.#overflow()
    return kept
  }

  #acknowledge(kept: Kept): void {
    if (kept.acknowledged !== undefined) return
    kept.acknowledged = this.#options.now()
    kept.invalidation.done?.()
  }

  #prune(): void {
    const oldest = this.#since() - this.#options.replayFor
    for (const [id, { acknowledged }] of this.#kept) {
      // They lie in the order in which they were made, so the first young one ends the search.
      if (acknowledged === undefined || acknowledged >= oldest) break
      this.#kept.delete(id)
    }
  }

  #overflow(): void {
    const away = !this.#gate.up && !this.#gate.breaker.recovering
    for (const [id, kept] of this.#kept) {
      // What is under way with Redis there will be acknowledged by itself.
      if (kept.acknowledged === undefined && !away) continue
      if (kept.acknowledged === undefined) {
        if (!this.#overflowPending) this.#options.onOverflow()
        this.#overflowPending = true
        this.#acknowledge(kept)
      }
      this.#overflowUntil = this.#options.now() + this.#options.replayFor
      this.#kept.delete(id)
    }
  }
}
