import { invalidOption, type Key, logicalKey } from '@larder/core'
import { Acquirer, type Workshop } from './acquirer.js'
import type { Lock } from './lock.js'
import { LockSet } from './lock-set.js'
import {
  type AcquireOptions,
  type LeaseOptions,
  resolveCall,
  resolveDefaults,
  resolveSemaphore,
  type SemaphoreOptions,
  type Terms,
} from './options.js'
import { ReadWrite } from './read-write.js'
import { Semaphore } from './semaphore.js'

/** Readers are not counted. */
const READERS = 's1000000000'

/** `fastify.locks`: locks over all processes that use the same Redis and namespace. */
export class Locks {
  readonly #workshop: Workshop
  readonly #defaults: Terms

  /** Register the plugin instead. */
  constructor(workshop: Workshop, defaults: Terms) {
    this.#workshop = workshop
    this.#defaults = defaults
  }

  /**
   * Waits for a lock that only one may hold. Those who wait get it in the order of their calls, over all processes.
   *
   * @throws `LARDER_LOCKS_TIMEOUT` when the wait is over, `LARDER_LOCKS_UNAVAILABLE` when Redis does not answer, the signal's
   * reason when it is aborted
   * @example
   * await using lock = await fastify.locks.acquire(['order', id], { ttl: '10s', wait: '5s' })
   */
  acquire(key: Key, options?: AcquireOptions): Promise<Lock> {
    try {
      return this.#mutex(key).acquire(options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** A lock, or `undefined` when it is not free now. */
  async tryAcquire(key: Key, options?: Omit<AcquireOptions, 'wait'>): Promise<Lock | undefined> {
    return this.#mutex(key).tryAcquire(options)
  }

  /**
   * Runs the routine with a lock, and releases it whatever happens. The routine's own result or error is what one gets: also when
   * the lock was lost meanwhile, which `lock.signal` tells, or could not be released.
   */
  using<T>(key: Key, routine: (lock: Lock) => T | PromiseLike<T>): Promise<T>
  using<T>(key: Key, options: AcquireOptions, routine: (lock: Lock) => T | PromiseLike<T>): Promise<T>
  async using<T>(
    key: Key,
    options: AcquireOptions | ((lock: Lock) => T | PromiseLike<T>),
    routine?: (lock: Lock) => T | PromiseLike<T>,
  ): Promise<T> {
    return this.#mutex(key).using(options as AcquireOptions, routine as (lock: Lock) => T | PromiseLike<T>)
  }

  /**
   * Waits for several locks, all or none. They are acquired one after the other in an order that is the same for all callers, so
   * that no two can wait for each other; `wait` is for all together.
   *
   * @throws as {@link acquire}; what was acquired until then is released
   */
  async acquireAll(keys: readonly Key[], options?: AcquireOptions): Promise<LockSet> {
    if (!Array.isArray(keys)) throw invalidOption('keys', 'an array of keys', keys)
    const terms = resolveCall(options, this.#defaults)
    const names = [...new Set(keys.map((key) => logicalKey(key)))].sort()
    const { store } = this.#workshop
    const end = store.now() + terms.wait
    const set: Lock[] = []
    try {
      for (const name of names) {
        const wait = terms.wait === 0 ? 0 : Math.max(Math.ceil(end - store.now()), 1)
        set.push(await this.#named(name).obtain({ ...terms, wait }, true))
      }
      return new LockSet(set)
    } catch (error) {
      await Promise.all(set.map((lock) => lock[Symbol.asyncDispose]()))
      throw error
    }
  }

  /** A lock that several may hold at once. */
  semaphore(key: Key, options: SemaphoreOptions): Semaphore {
    const { permits, terms } = resolveSemaphore(options, this.#defaults)
    const resource = this.#workshop.store.resource('semaphore', logicalKey(key))
    return new Semaphore(new Acquirer(this.#workshop, resource, 'semaphore', `s${permits}`, terms))
  }

  /** A lock for readers beside each other, or one writer alone. */
  readWrite(key: Key, options?: LeaseOptions): ReadWrite {
    const terms = resolveDefaults(options, this.#defaults)
    const resource = this.#workshop.store.resource('read-write', logicalKey(key))
    return new ReadWrite(
      new Acquirer(this.#workshop, resource, 'read', READERS, terms),
      new Acquirer(this.#workshop, resource, 'write', 'x', terms),
    )
  }

  #mutex(key: Key): Acquirer {
    return this.#named(logicalKey(key))
  }

  #named(name: string): Acquirer {
    return new Acquirer(this.#workshop, this.#workshop.store.resource('lock', name), 'mutex', 'm', this.#defaults)
  }
}
