import { randomBytes } from 'node:crypto'
import { Clock } from '@larder/core'
import type { ReleaseAnswer } from './channel.js'
import { type Family, Resource } from './resource.js'
import {
  type Answer,
  type Ask,
  CLAIM,
  type Claim,
  type Grant,
  LAST,
  type LockStore,
  type Mode,
  REFUSED,
  type RenewAnswer,
  type StoreListener,
} from './store.js'

/** Grants between two looks for leases that ended unreleased. */
const SWEEP_EVERY = 1_000

interface Waiting {
  readonly member: string
  readonly arrival: number
}

/** One resource: as the Redis keys of the same names. */
interface State {
  readonly holders: Map<string, number>
  queue: Waiting[]
}

/** What all registrations of one application with one namespace share. */
interface Space {
  readonly clock: Clock
  readonly states: Map<string, State>
  readonly listeners: Map<string, StoreListener>
  token: number
  grants: number
}

const spaces = new WeakMap<object, Map<string, Space>>()

/** Leases in the memory of this process, shared by all registrations of one application with the same namespace. */
export class MemoryStore implements LockStore {
  readonly deadline: number
  readonly listening = true
  readonly #namespace: string
  readonly #process = randomBytes(9).toString('base64url')
  readonly #space: Space
  #members = 0

  /** @param owner what the registrations share, such as `fastify.server` */
  constructor(owner: object, namespace: string, deadline: number, clock: Clock = new Clock()) {
    this.#namespace = namespace
    this.deadline = deadline
    const known = spaces.get(owner) ?? new Map<string, Space>()
    spaces.set(owner, known)
    this.#space = known.get(namespace) ?? newSpace(clock)
    known.set(namespace, this.#space)
  }

  now(): number {
    return this.#space.clock.now()
  }

  member(mode: Mode, wait: number): string {
    return `${mode}:${wait}:${this.#process}:${++this.#members}`
  }

  resource(family: Family, name: string): Resource {
    return new Resource(this.#namespace, family, name)
  }

  attach(listener: StoreListener): void {
    this.#space.listeners.set(this.#process, listener)
  }

  async listen(): Promise<void> {}

  check(): void {}

  async acquire(ask: Ask): Promise<Answer> {
    const { member, resource, arrival } = ask
    const state = this.#state(resource)
    if (state.holders.has(member)) return this.#grant(state, ask)
    if (arrival === undefined) {
      this.#advance(state)
      if (state.queue.length === 0 && fits(state, member)) return this.#grant(state, ask)
      return REFUSED
    }
    const at = arrival === LAST ? this.#microseconds() : Number(arrival)
    if (!state.queue.some((waiting) => waiting.member === member)) {
      state.queue.push({ member, arrival: at })
      state.queue.sort((a, b) => a.arrival - b.arrival)
    }
    if (this.#advance(state, member)) return this.#grant(state, ask)
    const first = Math.min(...state.holders.values())
    const now = this.now()
    return { state: 'queued', after: Math.max(first - now, 1), arrival: String(at), asked: now, lost: false }
  }

  async release({ resource, member }: Claim): Promise<ReleaseAnswer> {
    const state = this.#state(resource)
    const held = state.holders.delete(member)
    state.queue = state.queue.filter((waiting) => waiting.member !== member)
    const answer = held ? 'released' : fits(state, member) ? 'expired' : 'stolen'
    this.#advance(state)
    this.#tidy(resource, state)
    return answer
  }

  async leave(claim: Claim): Promise<void> {
    await this.release(claim)
  }

  renew(claims: readonly Claim[], tell: (index: number, answer: RenewAnswer, since: number) => void): void {
    for (const [index, { resource, member, ttl }] of claims.entries()) {
      const state = this.#state(resource)
      const since = this.now()
      const held = state.holders.has(member)
      if (held) state.holders.set(member, since + ttl)
      const answer = held ? 'extended' : fits(state, member) ? 'expired' : 'stolen'
      this.#tidy(resource, state)
      queueMicrotask(() => tell(index, answer, since))
    }
  }

  async replicate(): Promise<{ confirmed: number; since: number }> {
    return { confirmed: 0, since: this.now() }
  }

  close(): void {
    this.#space.listeners.delete(this.#process)
  }

  #state({ place: id }: Resource): State {
    let state = this.#space.states.get(id)
    if (!state) {
      state = { holders: new Map(), queue: [] }
      this.#space.states.set(id, state)
    }
    expire(state, this.now())
    return state
  }

  #tidy({ place: id }: Resource, state: State): void {
    if (state.holders.size === 0 && state.queue.length === 0) this.#space.states.delete(id)
  }

  #grant(state: State, ask: Ask): Grant {
    const { member, ttl, arrival } = ask
    const since = this.now()
    state.holders.set(member, since + ttl)
    if (++this.#space.grants % SWEEP_EVERY === 0) this.#sweep()
    const had = arrival === undefined || arrival === LAST ? 'free' : 'asked'
    return {
      state: 'granted',
      claim: ask,
      token: this.#mint(),
      since,
      until: since + ttl,
      thin: false,
      had,
      lost: false,
    }
  }

  #microseconds(): number {
    return Math.round(this.now() * 1_000)
  }

  #mint(): string {
    const space = this.#space
    space.token = Math.max(space.token + 1, Date.now() * 1_000)
    return String(space.token)
  }

  /** As advance() in queue.lua: gives the places that are free to waiters. */
  #advance(state: State, self?: string): boolean {
    for (let head = state.queue[0]; head !== undefined; head = state.queue[0]) {
      const { member } = head
      if (!fits(state, member)) return false
      state.queue.shift()
      if (member === self) return true
      const listener = this.#space.listeners.get(member.split(':')[2] as string)
      if (!listener) continue
      state.holders.set(member, this.now() + CLAIM)
      const token = this.#mint()
      const at = this.#microseconds()
      queueMicrotask(() => listener.called(member, token, at))
    }
    return false
  }

  /** Forgets resources whose leases ended and were never released. */
  #sweep(): void {
    const now = this.now()
    for (const [id, state] of this.#space.states) {
      expire(state, now)
      if (state.holders.size === 0 && state.queue.length === 0) this.#space.states.delete(id)
    }
  }
}

function newSpace(clock: Clock): Space {
  return { clock, states: new Map(), listeners: new Map(), token: 0, grants: 0 }
}

function expire(state: State, now: number): void {
  for (const [member, ends] of state.holders) if (ends <= now) state.holders.delete(member)
}

function fits({ holders }: State, member: string): boolean {
  const [first] = holders.keys()
  if (first === undefined) return true
  const most = member.startsWith('s') ? Number.parseInt(member.slice(1), 10) : 1
  return holders.size < most && first.startsWith('s')
}
