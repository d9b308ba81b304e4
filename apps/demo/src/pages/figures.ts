import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** How the reads of one cache were answered, since the start. */
export type CacheCounts = {
  hit: number
  stale: number
  miss: number
  coalesced: number
  bypass: number
  error: number
  loads: number
  loadMilliseconds: number
}

/** What the plugins have done in this process since it started. Every figure but `locks.held` only grows. */
export type Figures = {
  caches: Record<string, CacheCounts>
  tags: { invalidations: number }
  locks: { acquired: number; queued: number; failed: number; lost: number; held: number }
  sessions: { loaded: number; created: number; ended: number }
  limits: { allowed: number; limited: number }
  boards: { calls: number }
  events: { sent: number; gaps: number }
  redis: { outages: number }
}

type Event = { type: string; [field: string]: unknown }

/** Counts what the plugins publish on their diagnostics channels. */
export class FigureCounter {
  readonly #figures: Figures = {
    caches: {},
    tags: { invalidations: 0 },
    locks: { acquired: 0, queued: 0, failed: 0, lost: 0, held: 0 },
    sessions: { loaded: 0, created: 0, ended: 0 },
    limits: { allowed: 0, limited: 0 },
    boards: { calls: 0 },
    events: { sent: 0, gaps: 0 },
    redis: { outages: 0 },
  }
  readonly #listeners: [channel: string, listener: (message: unknown) => void][]

  constructor() {
    const on = (noun: string, count: (event: Event) => void): [string, (message: unknown) => void] => [
      `larder:${noun}`,
      (message) => count(message as Event), // what the plugins publish has a type
    ]
    this.#listeners = [
      on('cache', (event) => this.#countCache(event)),
      on('tags', () => this.#figures.tags.invalidations++),
      on('locks', ({ type, queued }) => this.#countLock(type, queued === true)),
      on('sessions', ({ type }) => this.#countIn(this.#figures.sessions, type)),
      on('rate-limit', ({ type }) => this.#countIn(this.#figures.limits, type === 'banned' ? 'limited' : type)),
      on('leaderboard', () => this.#figures.boards.calls++),
      on('events', ({ type }) => this.#countIn(this.#figures.events, type === 'gap' ? 'gaps' : type)),
      on('redis', ({ type }) => type === 'down' && this.#figures.redis.outages++),
    ]
    for (const [channel, listener] of this.#listeners) subscribe(channel, listener)
  }

  /** The figures as they are now. */
  snapshot(): Figures {
    return structuredClone(this.#figures)
  }

  /** Counts no more. */
  close(): void {
    for (const [channel, listener] of this.#listeners) unsubscribe(channel, listener)
  }

  #countCache({ type, cache, state, milliseconds }: Event): void {
    const name = String(cache)
    this.#figures.caches[name] ??= {
      hit: 0,
      stale: 0,
      miss: 0,
      coalesced: 0,
      bypass: 0,
      error: 0,
      loads: 0,
      loadMilliseconds: 0,
    }
    const counts = this.#figures.caches[name]
    if (type === 'read') this.#countIn(counts, String(state))
    if (type !== 'load') return
    counts.loads++
    counts.loadMilliseconds += Number(milliseconds)
  }

  #countLock(type: string, queued: boolean): void {
    const { locks } = this.#figures
    if (type === 'acquired') locks.held++
    if (type === 'released' || type === 'lost') locks.held = Math.max(0, locks.held - 1)
    if (queued) locks.queued++
    this.#countIn(locks, type)
  }

  #countIn(counts: object, name: string): void {
    const numbers = counts as Record<string, number>
    if (Object.hasOwn(numbers, name)) numbers[name]!++ // it is there
  }
}
