import { type Codec, invalidOption, type Key, namespaceTag, OptionReader } from '@larder/core'
import {
  type Call,
  type CallOptions,
  type EntryOptions,
  isPlain,
  readEntryOptions,
  resolveCall,
} from './call-options.js'
import { publish } from './channel.js'
import type { Copy, State } from './copy.js'
import { Engine, isOwn } from './engine.js'
import type { Load } from './load.js'
import { getMany, type LoadMany } from './many.js'
import { readCodec } from './options.js'
import { matcher } from './pattern.js'
import { type WrapOptions, type Wrapped, wrap } from './wrap.js'
import { expire, put, remove, type Write, writeThrough } from './write.js'

/** Child namespaces whose names are remembered: an application may make one a customer. */
const MOST_CHILDREN = 100

/** An entry with what is known of it. Dates and spans in milliseconds, by the clock of Redis. */
export interface Entry<T> {
  /** `undefined` when there is none. */
  readonly value: T
  /** `hit`; `stale`; `miss`: loaded by this call; `coalesced`: by another one; `bypass`: loaded, with Redis away. */
  readonly state: State
  readonly age: number
  /** How long it is still fresh. Of a stale one, the time since then, negative; -1 when `expire` or a tag made it stale. */
  readonly ttl: number
  readonly tags: readonly string[]
  readonly createdAt: number
}

/** A fresh entry of this process, with its value as all hits share it. Dates in milliseconds, by {@link Cache.now}. */
export interface LocalEntry<T> {
  readonly value: T
  readonly created: number
  readonly freshUntil: number
}

/** Defaults of a child namespace. */
export interface NamespaceOptions extends EntryOptions {
  /** How values become bytes. Default: as in the parent. */
  codec?: Codec
}

/**
 * `fastify.cache`: a cache-aside cache in two layers, this process and Redis, that serves no value older than the last invalidation.
 *
 * Every method that takes a key rejects with `LARDER_INVALID_KEY` for one that is empty or no data, and with
 * `LARDER_INVALID_OPTION` for a bad option. No method rejects because Redis is away.
 */
export class Cache {
  readonly #engine: Engine
  readonly #call: Call
  /** Whether a call without options may be answered from a copy that all share. */
  readonly #shared: boolean
  /** Path of child namespaces; empty for the root. */
  readonly #path: string

  /** @internal Made by the plugin, and by {@link namespace}. */
  constructor(engine: Engine, call: Call, path = '') {
    this.#engine = engine
    this.#call = call
    this.#shared = call.memory && !call.clone
    this.#path = path
  }

  /**
   * The cached value, or what `load` makes of it: called once for all who ask at the same time, in all processes (G2).
   *
   * Rejects with the loader's error, `LARDER_CACHE_LOAD_TIMEOUT` or `LARDER_CACHE_NOT_SERIALIZABLE`. The value is frozen and shared.
   *
   * @example const product = await cache.getOrSet(['product', id], () => db.findProduct(id), { ttl: '10m', tags: ['products'] })
   */
  getOrSet<T>(key: Key, load: Load<T>, options?: CallOptions<T>): Promise<T> {
    try {
      if (this.#shared && (options === undefined || isPlain(options))) {
        const promise = this.#engine.promise(key, this.#call)
        if (promise !== undefined) return promise as Promise<T>
      }
      requireFunction('load', load)
      return this.#value(this.#engine.key(key), load, options) as Promise<T>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** As {@link getOrSet}, or without `load` as {@link get}, with how it was answered. */
  async entry<T>(key: Key, load?: Load<T>, options?: CallOptions<T>): Promise<Entry<T>> {
    if (load !== undefined) requireFunction('load', load)
    const call = resolveCall(options, this.#call)
    const outcome = await this.#engine.fetch(this.#engine.key(key), load, call)
    if (outcome === undefined) {
      return { value: undefined as T, state: 'miss', age: 0, ttl: 0, tags: [], createdAt: 0 }
    }
    return this.#describe(outcome.copy, outcome.state, call) as Entry<T>
  }

  /** The cached value, also while it is stale; `undefined` when there is none. A cached `null` is `null`. */
  async get<T = unknown>(key: Key, options?: CallOptions<T>): Promise<T | undefined> {
    return this.#value(this.#engine.key(key), undefined, options) as Promise<T | undefined>
  }

  /** Whether there is an entry: also one whose value is `undefined`. */
  async has(key: Key): Promise<boolean> {
    return (await this.#engine.fetch(this.#engine.key(key), undefined, this.#call)) !== undefined
  }

  /** The copy in this process, at once and without asking Redis; `undefined` when there is none that may be used. */
  peek<T = unknown>(key: Key): T | undefined {
    return this.#engine.peek(key, this.#call) as T | undefined
  }

  /** As {@link peek}, with its dates, and counted as a hit: `undefined` unless it is fresh. `at`: the time, where {@link now} was just asked. */
  local<T = unknown>(key: Key, at?: number): LocalEntry<T> | undefined {
    const time = at === undefined ? undefined : at - this.#engine.parts.namespace.offset
    return this.#engine.hit(this.#engine.key(key), this.#call, time) as LocalEntry<T> | undefined
  }

  /** The time by which entries are dated: that of Redis, in milliseconds. */
  now(): number {
    return this.#engine.parts.namespace.now()
  }

  /**
   * Writes an entry, whatever there was, and voids the loads under way.
   *
   * Rejects with `LARDER_CACHE_NOT_SERIALIZABLE` or `LARDER_CACHE_VALUE_TOO_LARGE`, and then changes nothing. To change database and
   * cache together use {@link writeThrough}: two overlapping `set`s leave the value of the one that reached Redis last.
   */
  async set<T>(key: Key, value: T, options?: CallOptions<T>): Promise<void> {
    await put(this.#engine, this.#engine.key(key), value, resolveCall(options, this.#call))
  }

  /**
   * Writes to the database, then what `write` returned into the cache. Of two that overlap neither leaves its value (G4).
   *
   * Rejects with the error of `write`, and then leaves the key empty.
   */
  async writeThrough<T>(key: Key, write: Write<T>, options?: CallOptions<T>): Promise<T> {
    requireFunction('write', write)
    const call = resolveCall(options, this.#call)
    return writeThrough(this.#engine, this.#engine.key(key), write, call) as Promise<T>
  }

  /**
   * The values of many keys, in their order; missing ones are loaded by one call of `loadMany`, which joins loads under way. Without
   * it `undefined` where there is none. Keys that another process was loading and failed at are loaded by a further call.
   */
  async getMany<T = unknown>(keys: readonly Key[], loadMany?: LoadMany<T>, options?: CallOptions<T>): Promise<T[]> {
    if (loadMany !== undefined) requireFunction('loadMany', loadMany)
    return getMany(this.#engine, keys, loadMany, resolveCall(options, this.#call)) as Promise<T[]>
  }

  /** Empties entries. A load that had begun before is stored nowhere, and later callers do not join it (G1). */
  async delete(...keys: Key[]): Promise<void> {
    publish({ type: 'invalidate', cache: this.#call.cache, app: this.#call.app, what: 'delete' })
    await remove(
      this.#engine,
      keys.map((key) => this.#engine.key(key)),
    )
  }

  /** Makes entries stale: they are served until the end of their stale time, while one caller loads them anew. */
  async expire(...keys: Key[]): Promise<void> {
    publish({ type: 'invalidate', cache: this.#call.cache, app: this.#call.app, what: 'expire' })
    await expire(
      this.#engine,
      keys.map((key) => this.#engine.key(key)),
    )
  }

  /**
   * Empties the entries whose key matches; `*` stands for anything, `?` for one character. Asks every master for all of its keys:
   * prefer tags. Does not see keys over 200 bytes, which are stored under a hash. Rejects with `LARDER_INVALID_OPTION` for what is no
   * non-empty string.
   *
   * @returns how many were emptied; 0 with Redis away, where it is done later
   */
  async deletePattern(pattern: string): Promise<number> {
    if (typeof pattern !== 'string' || pattern === '') throw invalidOption('pattern', 'a non-empty string', pattern)
    const whole = this.#engine.prefix + pattern
    const matches = matcher(whole)
    const { namespace, store } = this.#engine.parts
    publish({ type: 'invalidate', cache: this.#call.cache, app: this.#call.app, what: 'pattern' })
    namespace.touchWhere(matches)
    const removed = await store.removeMatching(whole, matches)
    namespace.touchWhere(matches)
    return removed
  }

  /** Empties this namespace with its children, in all versions: one command, whatever its size. */
  async clear(): Promise<void> {
    publish({ type: 'invalidate', cache: this.#call.cache, app: this.#call.app, what: 'clear' })
    await this.#engine.parts.namespace.invalidate([namespaceTag(this.#path)], 'hard')
  }

  /**
   * A child with its own key prefix, defaults, `clear()` and name in metrics. Shares everything else.
   *
   * @example const catalogue = cache.namespace('catalogue', { ttl: '10m' })
   */
  namespace(name: string, defaults?: NamespaceOptions): Cache {
    const names = new OptionReader({ name: name ?? '' })
    const child = names.namespace('name', '')
    const reader = new OptionReader(defaults)
    const path = this.#path === '' ? child : `${this.#path}:${child}`
    const call: Call = {
      ...readEntryOptions(reader, this.#call),
      memory: reader.boolean('memory', true) && this.#call.memory,
      codec: readCodec(reader, this.#call.codec),
      implicit: [...this.#call.implicit, namespaceTag(path)],
      cache: child,
    }
    reader.done()
    const { children } = this.#engine.parts
    if (children.size < MOST_CHILDREN) children.add(child)
    return new Cache(new Engine(this.#engine.parts, `${this.#engine.prefix}${child}:`), call, path)
  }

  /**
   * Makes a function a cached one: `name` and its arguments are the key.
   *
   * @example
   * const getProduct = cache.wrap('product', loadProduct, { ttl: '10m', tags: (product) => [`category:${product.categoryId}`] })
   * await getProduct(42)
   * await getProduct.invalidate(42)
   */
  wrap<Args extends unknown[], T>(
    name: string,
    load: (...args: Args) => T | Promise<T>,
    options?: WrapOptions<Args, T>,
  ): Wrapped<Args, T> {
    return wrap(this.#engine, this.#call, name, load, options)
  }

  #value(key: string, load: Load<unknown> | undefined, options: unknown): Promise<unknown> {
    return this.#engine.give(key, load, resolveCall(options, this.#call))
  }

  #describe(copy: Copy, state: State, call: Call): Entry<unknown> {
    const now = this.#engine.parts.namespace.now()
    const left = copy.freshUntil - now
    // Since when an entry is stale that was expired, or whose tag was invalidated softly, nobody wrote down.
    const marked = copy.freshUntil === 0 || left > 0
    return {
      value: copy.give(isOwn(call)),
      state,
      age: Math.max(0, now - copy.created),
      ttl: state === 'stale' && marked ? -1 : left,
      tags: copy.tags.filter((tag) => !tag.startsWith(':')).map((tag) => (tag.startsWith('\\') ? tag.slice(1) : tag)),
      createdAt: copy.created,
    }
  }
}

function requireFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidOption(name, 'a function', value)
}
