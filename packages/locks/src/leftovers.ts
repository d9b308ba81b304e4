import type { Claim, LockStore } from './store.js'

/** How many are kept until Redis is back. */
const MOST = 10_000

/** Leases and places in queues that nobody here wants, or that a failed question may have left behind. */
export class Leftovers {
  readonly #store: LockStore
  readonly #kept = new Map<string, Claim>()

  constructor(store: LockStore) {
    this.#store = store
  }

  /** Ends it, now or when Redis is back. */
  forget(claim: Claim): void {
    this.#store.leave(claim).catch(() => this.#keep(claim))
  }

  /** A question failed. Unless Redis refused, it may still do as it was asked. */
  failed(claim: Claim, error: unknown): void {
    if ((error as Error).name !== 'ReplyError') this.#keep(claim)
  }

  /** It is wanted all the same. */
  spare(claim: Claim): void {
    this.#kept.delete(claim.member)
  }

  /** Redis is back. */
  retry(): void {
    const kept = [...this.#kept.values()]
    this.#kept.clear()
    for (const claim of kept) this.forget(claim)
  }

  #keep(claim: Claim): void {
    if (this.#kept.size < MOST) this.#kept.set(claim.member, claim)
  }
}
