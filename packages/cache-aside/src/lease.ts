import { randomBytes } from 'node:crypto'
import type { Grant, Store } from './store.js'

/** What a lease is taken with, in milliseconds. */
export interface LeaseOptions {
  /** How long it holds without renewal. */
  readonly limit: number
  /** How long it is renewed at most: a loader that hangs must not block all others for ever. */
  readonly longest: number
}

/**
 * The right to load one key, over all processes. For an absent key it is a placeholder in the entry's own place, for an entry that is
 * refreshed a key beside it.
 */
export class Lease {
  readonly #store: Store
  readonly #key: string
  readonly #options: LeaseOptions
  readonly #token: Buffer
  /** The entry that is refreshed. */
  readonly #refreshed: Buffer | undefined
  #renewal: NodeJS.Timeout | undefined

  constructor(store: Store, key: string, options: LeaseOptions, refreshed?: Buffer) {
    this.#store = store
    this.#key = key
    this.#options = options
    this.#refreshed = refreshed
    this.#token = Buffer.concat([Buffer.from('L1'), randomBytes(16)])
  }

  /** Asks for an absent key. `refuse`: the id of an entry there that is invalid. */
  acquire(refuse: Buffer | undefined): Promise<Grant> {
    return this.#store.lease(this.#key, this.#token, this.#options.limit, refuse)
  }

  /** Asks for the refresh. */
  acquireRefresh(steal: boolean): Promise<boolean> {
    return this.#store.leaseRefresh(this.#key, this.#token, this.#options.limit, steal)
  }

  /** Renews it while the load runs; ends with {@link fill} or {@link release}. */
  renew(): void {
    const every = this.#options.limit / 3
    let left = Math.ceil(this.#options.longest / every)
    this.#renewal = setInterval(() => {
      if (--left <= 0) return this.#stop()
      this.#store.renew(this.#key, this.#token, this.#options.limit, this.#refreshed !== undefined).then(
        (held) => held || this.#stop(),
        () => {},
      )
    }, every).unref()
  }

  /** Stores what was loaded, if the lease still holds and nobody changed the entry. */
  fill(bytes: Buffer, life: number): Promise<boolean> {
    this.#stop()
    return this.#store.fill(this.#key, this.#token, this.#refreshed, bytes, life)
  }

  /** Gives it up; who waits is woken. Never rejects: an unreachable lease ends by itself. */
  release(): void {
    this.#stop()
    this.#store.release(this.#key, this.#token).catch(() => {})
  }

  #stop(): void {
    clearInterval(this.#renewal)
  }
}
