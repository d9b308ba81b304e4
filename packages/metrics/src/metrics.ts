import type { Registry } from 'prom-client'
import type { Book } from './book.js'
import { type CacheSnapshot, Caches } from './caches.js'
import { Events, type EventsSnapshot } from './events.js'
import { Leaderboards, type LeaderboardsSnapshot } from './leaderboards.js'
import { type LimitSnapshot, Limits } from './limits.js'
import { Locks, type LocksSnapshot } from './locks.js'
import type { Recorder } from './recorder.js'
import { RedisRecorder, type RedisSnapshot } from './redis.js'
import { Responses, type ResponsesSnapshot } from './responses.js'
import { Sessions, type SessionsSnapshot } from './sessions.js'
import { Tags, type TagsSnapshot } from './tags.js'
import { type QueueSnapshot, WriteBehinds } from './write-behind.js'

/** All numbers of an application at one moment; by the name of the cache or registration. Counts are since the start. */
export interface Snapshot {
  readonly caches: Readonly<Record<string, CacheSnapshot>>
  readonly tags: TagsSnapshot
  readonly redis: RedisSnapshot
  /** By registration of response-cache: `responses`. */
  readonly responses: Readonly<Record<string, ResponsesSnapshot>>
  readonly locks: Readonly<Record<string, LocksSnapshot>>
  readonly sessions: Readonly<Record<string, SessionsSnapshot>>
  /** By limiter: `global`, a route, a group. */
  readonly limits: Readonly<Record<string, LimitSnapshot>>
  readonly events: Readonly<Record<string, EventsSnapshot>>
  readonly leaderboards: Readonly<Record<string, LeaderboardsSnapshot>>
  /** By registration, and by counter or queue. */
  readonly writeBehind: Readonly<Record<string, Readonly<Record<string, QueueSnapshot>>>>
}

/** `fastify.metrics`: what the application's Larder plugins did. */
export class Metrics {
  /** The series, in prom-client's registry: for more of one's own, or for another exporter. */
  readonly registry: Registry
  readonly #recorders
  readonly #book: Book

  /** @internal Made by the plugin. */
  constructor(book: Book, registry: Registry) {
    this.registry = registry
    this.#book = book
    this.#recorders = {
      cache: new Caches(book),
      tags: new Tags(book),
      redis: new RedisRecorder(book),
      responses: new Responses(book),
      locks: new Locks(book),
      sessions: new Sessions(book),
      limits: new Limits(book),
      events: new Events(book),
      leaderboard: new Leaderboards(book),
      'write-behind': new WriteBehinds(book),
    }
  }

  /** @internal For the report. */
  get caches(): Caches {
    return this.#recorders.cache
  }

  /**
   * All numbers at this moment.
   *
   * @example const { hitRate } = app.metrics.snapshot().caches.catalogue
   */
  snapshot(): Snapshot {
    const { cache, tags, redis, responses, locks, sessions, limits, events, leaderboard, ...others } = this.#recorders
    return {
      caches: cache.snapshot(),
      tags: tags.snapshot(),
      redis: redis.snapshot(),
      responses: responses.snapshot(),
      locks: locks.snapshot(),
      sessions: sessions.snapshot(),
      limits: limits.snapshot(),
      events: events.snapshot(),
      leaderboards: leaderboard.snapshot(),
      writeBehind: others['write-behind'].snapshot(),
    }
  }

  /** What Prometheus reads. */
  text(): Promise<string> {
    // What was made after the application was ready, such as a namespace of a cache, has its series too.
    this.open()
    return this.registry.metrics()
  }

  /** @internal Makes the series of all registrations, before anything happens to them. */
  open(): void {
    for (const [plugin, recorder] of Object.entries(this.#recorders) as [string, Recorder][]) {
      for (const { name, part } of this.#book.states(plugin)) recorder.open?.(name, part)
    }
  }

  /** @internal Stops listening. */
  close(): void {
    for (const recorder of Object.values(this.#recorders)) recorder.close()
  }
}
