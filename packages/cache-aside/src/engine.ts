import { type Clock, type Epochs, type Feed, type Key, logicalKey, type Namespace } from '@larder/core'
import type { Call } from './call-options.js'
import { cacheChannel, publish } from './channel.js'
import { type Copy, freshnessOf, type State, suits } from './copy.js'
import type { EngineParts } from './engine-parts.js'
import type { Fifo } from './fifo.js'
import type { Outcome } from './flight.js'
import type { Load } from './load.js'
import type { Start } from './loading.js'
import { type Found, type FreshValue, isStraight, NOT_FRESH } from './reader.js'

/** The keys that no copy answers, each once: its logical key, and where its value goes first; and where one is asked for again. */
export interface Missing {
  readonly names: string[]
  readonly positions: number[]
  /** `index`: of the key in `names`. */
  readonly repeats: { readonly position: number; readonly index: number }[]
}

/** Whether a call gets a value of its own: asked for by `clone`, and where no copy is kept that all could share. */
export function isOwn(call: Call): boolean {
  return call.clone || !call.memory
}

/** The reading side of one cache: decides, for each call, whether a copy, the store or a load answers. */
export class Engine {
  readonly parts: EngineParts
  /** Begins every logical key. */
  readonly prefix: string
  readonly #namespace: Namespace
  // What a hit looks at, at hand.
  readonly #copies: Fifo<Copy> | undefined
  readonly #clock: Clock
  readonly #feed: Feed
  readonly #epochs: Epochs

  constructor(parts: EngineParts, prefix: string) {
    this.parts = parts
    this.prefix = prefix
    this.#namespace = parts.namespace
    this.#copies = parts.memory?.copies
    this.#clock = parts.namespace.clock
    this.#feed = parts.namespace.feed
    this.#epochs = parts.namespace.epochs
  }

  /** The logical key, with this cache's prefix. Throws `LARDER_INVALID_KEY`. */
  key(key: Key): string {
    return this.prefix === '' ? logicalKey(key) : this.prefix + logicalKey(key)
  }

  /** As {@link hit}, for a key as the user gave it; most are found as they stand, which no key that is not a string is. */
  promise(key: Key, call: Call): Promise<unknown> | undefined {
    const copy = this.prefix === '' ? this.#copies?.get(key as string) : undefined
    if (copy !== undefined && (copy.answers === call || this.#answers(copy, key, call))) {
      return this.#current(copy, call)?.promise
    }
    return this.#isPlain(key) ? undefined : this.hit(this.key(key), call)?.promise
  }

  /** Whether a copy is found by the key as it stands. One that begins with NUL is ours, which only {@link key} makes. */
  #isPlain(key: Key): key is string {
    return this.prefix === '' && typeof key === 'string' && key.charCodeAt(0) !== 0
  }

  /** Whether a copy was made as this call wants it to be, and remembers that it was: a hit has one comparison left. */
  #answers(copy: Copy, key: Key, call: Call): boolean {
    if (!this.#isPlain(key) || !suits(copy, call)) return false
    copy.answers = call
    return true
  }

  /** The copy that answers at once: fresh, its tags unchanged since they were last looked at, the feed trusted. `at`: clock time. */
  hit(key: string, call: Call, at?: number): Copy | undefined {
    const copy = this.#copies?.get(key)
    return copy !== undefined && suits(copy, call) ? this.#current(copy, call, at) : undefined
  }

  #current(copy: Copy, call: Call, at?: number): Copy | undefined {
    if (copy.checked !== this.#epochs.changes) return undefined
    const now = at ?? this.#clock.sampled()
    if (now >= copy.until || now > this.#feed.trustedUntil) return undefined
    if (cacheChannel.hasSubscribers) this.#tellLocal(call)
    return copy
  }

  /** Answers a call from a copy, or else with the complete options that `call` makes. */
  answer(key: Key, plain: Call, call: () => Call, load: Load<unknown> | undefined): Promise<unknown> {
    try {
      if (plain.memory && !plain.clone) {
        const promise = this.promise(key, plain)
        if (promise !== undefined) return promise
      }
      return this.give(this.key(key), load, call())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The copy of this process, if it may be used. */
  peek(key: Key, call: Call): unknown {
    const local = this.parts.reader.local(this.key(key), call)
    return local && local.freshness !== 'error' ? local.copy.give(isOwn(call)) : undefined
  }

  /** As {@link hit} for many keys: fills in values, and lists what is missing. */
  localMany(keys: readonly Key[], call: Call, values: unknown[]): Missing {
    const { clock, feed, epochs } = this.#namespace
    const copies = call.memory && !call.force ? this.#copies : undefined
    const now = clock.now()
    const trusted = now <= feed.trustedUntil
    const changes = epochs.changes
    const missing: Missing = { names: [], positions: [], repeats: [] }
    const known = new Map<string, number>()
    for (let i = 0; i < keys.length; i++) {
      const given = keys[i] as Key
      const copy = trusted ? copies?.get(this.#isPlain(given) ? given : this.key(given)) : undefined
      if (copy !== undefined && now < copy.until && copy.checked === changes && suits(copy, call)) {
        values[i] = call.clone ? copy.give(true) : copy.value
        if (cacheChannel.hasSubscribers) this.#tellLocal(call)
        continue
      }
      const name = this.key(given)
      const index = known.get(name)
      if (index !== undefined) {
        missing.repeats.push({ position: i, index })
        continue
      }
      known.set(name, missing.names.length)
      missing.names.push(name)
      missing.positions.push(i)
    }
    return missing
  }

  /** What this process or the store has of many keys; what is fresh and kept nowhere goes into `values`, by its index in `keys`. */
  async readMany(keys: readonly string[], call: Call, values: unknown[]): Promise<(Found | FreshValue)[]> {
    const { reader } = this.parts
    if (!call.memory || call.force) return reader.readMany(keys, call, values)
    const local = keys.map((key) => this.#local(key, call))
    const asked = keys.filter((_, i) => local[i] === undefined)
    const read = asked.length > 0 ? await reader.readMany(asked, call, values) : []
    let next = 0
    return local.map((one) => one ?? (read[next++] as Found | FreshValue))
  }

  /** The copy that answers `getMany` at once, and the event of it. `loads`: what is stale is to be loaded anew. */
  usable(found: Found, call: Call, loads: boolean): Copy | undefined {
    if (found.state === 'absent' || call.force) return undefined
    const freshness = found.state === 'found' ? found.freshness : 'stale'
    if (freshness === 'error' || (freshness === 'stale' && loads) || found.copy === undefined) return undefined
    this.tell(freshness === 'fresh' ? 'hit' : 'stale', call)
    return found.copy
  }

  /** Answers one call; `undefined` when nothing is there and nothing loads it. */
  async fetch(
    key: string,
    load: Load<unknown> | undefined,
    call: Call,
    read?: Found,
    began: number = performance.now(),
  ): Promise<Outcome | undefined> {
    try {
      call.signal?.throwIfAborted()
      if (call.tags) this.parts.requireTags()
      const local = read ? undefined : this.#local(key, call)
      const found = read ?? local ?? (await this.parts.reader.read(key, call))
      const outcome = await this.#answer(key, load, call, found, performance.now() - began)
      const state = outcome?.state ?? 'miss'
      if (local && state === 'hit') this.#tellLocal(call)
      else this.tell(state, call)
      return outcome
    } catch (error) {
      this.tell('error', call)
      throw error
    }
  }

  /** Loads what was found to be missing. `spent`: milliseconds that it took to find that out. */
  async load(
    key: string,
    load: Load<unknown>,
    call: Call,
    found: Found,
    spent: number,
    answered: () => void,
  ): Promise<Outcome> {
    try {
      if (call.tags) this.parts.requireTags()
      const outcome = (await this.#answer(key, load, call, found, spent, answered)) as Outcome
      this.tell(outcome.state, call)
      return outcome
    } catch (error) {
      this.tell('error', call)
      throw error
    }
  }

  /** The event of a call that was not answered from this process. */
  tell(state: State | 'error', call: Call): void {
    if (cacheChannel.hasSubscribers) publish({ type: 'read', cache: call.cache, app: call.app, state, layer: 'store' })
  }

  /** An entry that this process is about to change, or has changed: no copy of it is served, no load under way is joined. */
  touch(key: string): void {
    this.#namespace.touch(key)
  }

  /** The value that a call gets. */
  async give(key: string, load: Load<unknown> | undefined, call: Call): Promise<unknown> {
    // An entry that is kept nowhere takes the straight way.
    if (isStraight(call) && call.signal === undefined) {
      if (call.tags) this.parts.requireTags()
      const { reader } = this.parts
      const began = performance.now()
      let found: Found
      try {
        const bytes = await this.parts.store.read(key)
        const value = reader.value(bytes, call, this.#clock.now())
        if (value !== NOT_FRESH) {
          this.tell('hit', call)
          return value
        }
        found = await reader.found(bytes, call)
      } catch (error) {
        found = reader.failed(key, call, error)
      }
      return (await this.fetch(key, load, call, found, began))?.copy.give(isOwn(call))
    }
    return (await this.fetch(key, load, call))?.copy.give(isOwn(call))
  }

  async #answer(
    key: string,
    load: Load<unknown> | undefined,
    call: Call,
    first: Found,
    firstSpent: number,
    answered?: () => void,
  ): Promise<Outcome | undefined> {
    const { loads, reader } = this.parts
    const since = performance.now() - firstSpent
    let found = first
    let spent = firstSpent
    for (;;) {
      let start: Start = { spent, since }
      if (found.state === 'unavailable') {
        // `staleIfError`: rather what was known last than a database that takes every read.
        if (found.copy && !call.force) return { copy: found.copy, state: 'stale', confirmed: false }
      } else if (found.state === 'absent') start = { refuse: found.refuse, expired: found.expired, spent, since }
      else {
        const { copy, freshness } = found
        if (!call.force && freshness !== 'error') {
          const due = freshness === 'stale' || this.#isDue(copy, call)
          if (due && load) loads.refresh(key, load, call, copy)
          return { copy, state: freshness === 'stale' ? 'stale' : 'hit', confirmed: false }
        }
        start = { copy, spent, since }
      }
      if (load === undefined) return undefined
      const outcome = await loads.run(key, load, call, start, answered)
      if (outcome) return outcome
      call.signal?.throwIfAborted()
      const began = performance.now()
      found = await reader.read(key, call)
      spent = performance.now() - began
    }
  }

  #local(key: string, call: Call): Found | undefined {
    if (!call.memory || call.force) return undefined
    const local = this.parts.reader.local(key, call)
    return local && { state: 'found', ...local }
  }

  #tellLocal({ cache, app }: Call): void {
    publish({ type: 'read', cache, app, state: 'hit', layer: 'memory' })
  }

  /** XFetch: the closer the end and the longer the load, the likelier this call refreshes early. */
  #isDue(copy: Copy, { eager }: Call): boolean {
    if (eager === 0) return false
    const now = this.#namespace.now()
    return freshnessOf(copy, now - eager * copy.loadMs * Math.log(Math.random()), false) !== 'fresh'
  }
}
