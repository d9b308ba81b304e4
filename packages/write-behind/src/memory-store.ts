import { randomBytes } from 'node:crypto'
import type { Entry, How, Outcome, RawBatch, RawLetter, Shard, ShardOptions, Store, Taken, Written } from './store.js'

/** A shard, as its keys in Redis: see take.lua. */
interface State {
  /** Sums or JSON by key, or all JSON in order. */
  live: Map<string, number | string> | Entry[]
  due: number
  batch: { id: string; attempt: number; next: number; entries: string[] } | undefined
  lease: { fence: number; owner: object; until: number } | undefined
  taken: number
  done: number
  dead: number
  readonly letters: Map<string, RawLetter>
}

interface Space {
  fence: number
  readonly shards: Map<string, State>
}

const spaces = new WeakMap<object, Map<string, Space>>()

/** Counters and queues in the memory of this process, shared by all registrations of one application with the same namespace. */
export class MemoryStore implements Store {
  readonly #space: Space

  /** @param owner what the registrations share, such as `fastify.server` */
  constructor(owner: object, namespace: string) {
    const known = spaces.get(owner) ?? new Map<string, Space>()
    spaces.set(owner, known)
    this.#space = known.get(namespace) ?? { fence: 0, shards: new Map() }
    known.set(namespace, this.#space)
  }

  shard(options: ShardOptions): Shard {
    return new MemoryShard(this.#space, options)
  }

  close(): void {}
}

class MemoryShard implements Shard {
  readonly up = true
  readonly #space: Space
  readonly #options: ShardOptions
  readonly #state: State

  constructor(space: Space, options: ShardOptions) {
    this.#space = space
    this.#options = options
    const { coalesce, name, shard } = options
    const place = `${coalesce} ${shard} ${name}`
    this.#state = space.shards.get(place) ?? newState(coalesce === 'all')
    space.shards.set(place, this.#state)
  }

  onUp(): () => void {
    return () => {}
  }

  async write(entries: readonly Entry[], limit: number): Promise<Written> {
    const state = this.#state
    const { live } = state
    let room = limit - sizeOf(state)
    const refused: number[] = []
    for (const [place, { key }] of entries.entries()) {
      if (live instanceof Map && live.has(key)) continue
      if (room > 0) room--
      else refused.push(place)
    }
    if (refused.length > 0) return { state: 'full', refused }
    if (sizeOf(state) === 0) state.due = Date.now() + this.#options.every
    for (const { key, value } of entries) {
      if (Array.isArray(live)) live.push({ key, value })
      else if (typeof value === 'number') live.set(key, ((live.get(key) as number) ?? 0) + value)
      else live.set(key, value)
    }
    return { state: 'stored', size: sizeOf(state) }
  }

  async read(key: string): Promise<string[]> {
    const { live, batch } = this.#state
    const values: string[] = []
    const flying = batch?.entries ?? []
    if (Array.isArray(live)) {
      for (const text of flying) {
        const [owner, value] = JSON.parse(text) as [string, unknown]
        if (owner === key) values.push(JSON.stringify(value))
      }
      for (const entry of live) if (entry.key === key) values.push(String(entry.value))
      return values
    }
    for (let i = 0; i < flying.length; i += 2) if (flying[i] === key) values.push(flying[i + 1] as string)
    if (live.has(key)) values.push(String(live.get(key)))
    return values
  }

  async take(how: How): Promise<Taken> {
    const state = this.#state
    const waiting = sizeOf(state) > 0
    const progress = { goal: state.taken + (waiting ? 1 : 0), done: state.done, dead: state.dead }
    if (!state.batch && !waiting) return { state: 'idle', wait: 0, ...progress, done: progress.goal }
    if (how === 'look') return { state: 'busy', wait: 50, ...progress }
    const now = Date.now()
    if (state.lease && state.lease.owner !== this && state.lease.until > now)
      return { state: 'busy', wait: state.lease.until - now, ...progress }
    const ready = state.batch ? state.batch.next : how === 'due' ? state.due : 0
    if (ready > now) return { state: 'later', wait: ready - now, ...progress }
    const fence = ++this.#space.fence
    if (state.batch) state.batch.attempt++
    else {
      const id = `${fence}-${randomBytes(9).toString('base64url')}`
      state.batch = { id, attempt: 1, next: 0, entries: seal(state) }
      state.taken++
    }
    state.lease = { fence, owner: this, until: now + this.#options.lease }
    const { id, attempt, entries } = state.batch
    return { state: 'batch', batch: { id, number: state.taken, attempt, fence, entries }, ...progress }
  }

  async renew({ fence }: RawBatch): Promise<boolean> {
    const { lease } = this.#state
    if (lease?.fence !== fence) return false
    lease.until = Date.now() + this.#options.lease
    return true
  }

  async settle({ id, fence }: RawBatch, outcome: Outcome): Promise<boolean> {
    const state = this.#state
    const { batch } = state
    const mine = state.lease?.fence === fence
    if (mine) state.lease = undefined
    if (batch?.id !== id || !(mine || outcome.state === 'done')) return false
    if (outcome.state === 'released') batch.attempt--
    else if (outcome.state === 'failed') batch.next = Date.now() + outcome.retryIn
    else {
      state.batch = undefined
      state.done = state.taken
      if (outcome.state === 'dead') {
        state.dead = state.taken
        const { attempt: attempts, entries } = batch
        state.letters.set(id, { id, attempts, error: outcome.error, failedAt: Date.now(), entries })
      }
    }
    return true
  }

  async letters(): Promise<RawLetter[]> {
    return [...this.#state.letters.values()]
  }

  async replay(id: string): Promise<'replayed' | 'busy' | 'unknown'> {
    const state = this.#state
    const letter = state.letters.get(id)
    if (!letter) return 'unknown'
    if (state.batch) return 'busy'
    state.letters.delete(id)
    state.batch = { id, attempt: 0, next: 0, entries: letter.entries }
    state.taken++
    return 'replayed'
  }

  async discard(id: string): Promise<boolean> {
    return this.#state.letters.delete(id)
  }

  close(): void {}
}

function newState(all: boolean): State {
  const live = all ? [] : new Map()
  return { live, due: 0, batch: undefined, lease: undefined, taken: 0, done: 0, dead: 0, letters: new Map() }
}

function sizeOf({ live }: State): number {
  return Array.isArray(live) ? live.length : live.size
}

function seal({ live }: State): string[] {
  const entries = Array.isArray(live)
    ? live.map(({ key, value }) => `[${JSON.stringify(key)},${value}]`)
    : [...live].flatMap(([key, value]) => [key, String(value)])
  if (Array.isArray(live)) live.length = 0
  else live.clear()
  return entries
}
