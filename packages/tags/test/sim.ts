import {
  Clock,
  type Epoch,
  type EpochStore,
  Epochs,
  encodeTag,
  type Feed,
  json,
  MemoryEpochStore,
  type Namespace,
  type NamespaceListener,
  namespaceTag,
  type Tag,
  type TagEpochs,
  type TagRecord,
} from '@larder/core'
import { Cache } from '../../cache-aside/dist/cache.js'
import { DEFAULT_CALL } from '../../cache-aside/dist/call-options.js'
import { Engine, type EngineParts } from '../../cache-aside/dist/engine.js'
import { Loads } from '../../cache-aside/dist/loads.js'
import { Memory } from '../../cache-aside/dist/memory.js'
import { MemoryStore } from '../../cache-aside/dist/memory-store.js'
import { listener } from '../../cache-aside/dist/plugin.js'
import { Reader } from '../../cache-aside/dist/reader.js'
import type { Grant, Store } from '../../cache-aside/dist/store.js'

/*
 * A network that a test schedules, message by message, around the real code of core and cache-aside: the store in memory and the
 * epochs in memory are the server, each client is a process with its own reader, loads, copies, fence and epochs. What runs on a
 * connection keeps its order; what runs on two connections does not.
 */

const BOUNDS = { maxEntries: 1_000, maxBytes: 1e9 }
const LEASE = 1_000
const HEARTBEAT = 2_000

/** Something that may happen next. */
export interface Step {
  readonly label: string
  run(): void | Promise<void>
}

/** What a call was asked to do, for the trace. */
interface Call {
  readonly label: string
  done: boolean
}

interface Request {
  readonly label: string
  run(): Promise<unknown>
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

type Message = { readonly key: string } | { readonly tag: Tag } | { readonly floor: () => void }

/** What a test may break, to see that it notices. */
export interface Mutation {
  /** Copies are kept although their key was heard to change while they were on their way. */
  readonly noFence?: boolean
  /** A lost feed, and one that comes back, is told to nobody. */
  readonly noConnection?: boolean
  /** What is known of tags is believed although the feed is not trusted any more. */
  readonly noTrust?: boolean
  /** A local invalidation is told to nobody before it reached the store. */
  readonly noBegin?: boolean
  /** A local deletion does not detach the load under way. */
  readonly noTouch?: boolean
  /** Loads under way are joined whatever was heard since they began. */
  readonly noSuspicion?: boolean
}

/** Lets whatever follows at once happen: it takes microtasks only, and far fewer. */
async function settle(): Promise<void> {
  for (let i = 0; i < 40; i++) await null
}

/** The feed of a simulated client. */
class SimFeed implements Feed {
  trustedUntil: number = Number.POSITIVE_INFINITY
  connection = 1
  readonly channel = ''
  listen(): () => void {
    return () => {}
  }
  settled(): Promise<void> {
    return Promise.resolve()
  }
}

/** One process. */
export class SimClient {
  readonly name: string
  readonly cache: Cache
  readonly namespace: SimNamespace
  /** Least version of each key that a call that starts now may be answered with; by key, and for calls that ask Redis. */
  readonly floors = { heard: new Map<string, number>(), done: new Map<string, number>() }
  link: 'up' | 'deaf' | 'distrusted' | 'down' | 'arming' = 'up'
  crashed = false
  readonly requests: Request[] = []
  readonly replies: (() => void)[] = []
  readonly messages: Message[] = []
  readonly #missed: (() => void)[] = []

  constructor(sim: Sim, name: string, mutation: Mutation) {
    this.name = name
    this.namespace = new SimNamespace(sim, this, mutation)
    const namespace = this.namespace as unknown as Namespace
    const store = new RemoteStore(sim, this)
    const memory = new Memory(namespace, { ...BOUNDS, ttl: 3_600_000 })
    const payload = { codec: json, compressAbove: Number.POSITIVE_INFINITY, maxValueBytes: 1e9 }
    const reader = new Reader({ ...payload, namespace, store, memory })
    if (mutation.noFence) reader.fence.clear = () => true
    const requireTags = (): void => {}
    const draft = { ...payload, namespace, reader }
    const loads = new Loads({ ...draft, store, lease: LEASE, deadline: 250, heartbeat: HEARTBEAT, requireTags })
    const parts: EngineParts = { namespace, store, memory, reader, loads, draft, lease: LEASE, requireTags }
    const heard = listener(parts)
    if (mutation.noTouch) heard.changed = (key) => void memory.copies.delete(key)
    if (mutation.noSuspicion) loads.suspect = (key) => loads.waits.wake(key)
    this.namespace.listen(heard)
    this.cache = new Cache(new Engine(parts, ''), { ...DEFAULT_CALL, implicit: [namespaceTag('')], cache: name })
  }

  /** Sends to the server, in the order of calls. */
  ask<R>(label: string, run: () => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      if (!this.crashed) this.requests.push({ label, run, resolve: resolve as never, reject })
    })
  }

  /** The server tells of a change. */
  tell(message: Message): void {
    if (this.crashed) return
    if (this.link === 'up' || this.link === 'arming') this.messages.push(message)
  }

  /** Another process was told that a version is what counts from now on: so is this one, when it has heard of all before. */
  follow(floor: () => void): void {
    if (this.link === 'up') this.messages.push({ floor })
    else if (this.link === 'deaf') this.#missed.push(floor)
    else floor()
  }

  *steps(): Generator<Step> {
    if (this.crashed) return
    const { name } = this
    const [request] = this.requests
    if (request) yield { label: `${name} server ${request.label}`, run: () => this.#serve() }
    if (this.replies.length > 0) yield { label: `${name} reply`, run: () => this.replies.shift()?.() }
    if (this.messages.length > 0 && (this.link === 'up' || this.link === 'arming')) {
      yield { label: `${name} hears`, run: () => this.#hear() }
    }
  }

  /** Ways in which the feed of this process may go wrong, or recover. */
  *faults(): Generator<Step> {
    if (this.crashed) return
    const { name } = this
    if (this.link === 'up') {
      yield { label: `${name} feed dies`, run: () => this.#lose() }
      yield { label: `${name} feed goes deaf`, run: () => this.#deafen() }
    } else if (this.link === 'deaf') yield { label: `${name} heartbeat ends`, run: () => this.#distrust() }
    else if (this.link === 'distrusted') yield { label: `${name} feed dies`, run: () => this.#lose() }
    else yield this.recovery() as Step
  }

  /** The next step back to a trusted feed. */
  recovery(): Step | undefined {
    if (this.crashed) return undefined
    if (this.link === 'deaf') return { label: `${this.name} heartbeat ends`, run: () => this.#distrust() }
    if (this.link === 'distrusted') return { label: `${this.name} feed dies`, run: () => this.#lose() }
    if (this.link === 'down') {
      return {
        label: `${this.name} feed arms`,
        run: () => {
          this.link = 'arming'
        },
      }
    }
    if (this.link !== 'arming') return undefined
    return {
      label: `${this.name} feed is trusted`,
      run: () => {
        this.link = 'up'
        this.namespace.trust()
      },
    }
  }

  /** The process dies: what it sent and was not executed is gone, and it learns of no answer. */
  crash(): void {
    this.crashed = true
    this.requests.length = 0
    this.replies.length = 0
    this.messages.length = 0
  }

  async #serve(): Promise<void> {
    const request = this.requests.shift() as Request
    const { resolve, reject } = request
    try {
      const value = await request.run()
      this.replies.push(() => resolve(value as never))
    } catch (error) {
      this.replies.push(() => reject(error as Error))
    }
  }

  #hear(): void {
    const message = this.messages.shift() as Message
    if ('floor' in message) message.floor()
    else if ('tag' in message) this.namespace.epochs.heard(message.tag)
    else this.namespace.changed(message.key)
  }

  #deafen(): void {
    this.link = 'deaf'
    for (const message of this.messages.splice(0)) if ('floor' in message) this.#missed.push(message.floor)
  }

  #distrust(): void {
    this.link = 'distrusted'
    this.namespace.feed.trustedUntil = Number.NEGATIVE_INFINITY
    for (const floor of this.#missed.splice(0)) floor()
  }

  #lose(): void {
    for (const message of this.messages.splice(0)) if ('floor' in message) message.floor()
    this.link = 'down'
    this.namespace.lose()
  }
}

/** As {@link Namespace}, with a feed that the test moves. */
class SimNamespace {
  readonly name = 'sim'
  readonly offset = 0
  readonly gate = undefined
  readonly outbox = undefined
  readonly feed = new SimFeed()
  readonly clock: Clock
  readonly epochs: Epochs
  readonly #listeners = new Set<NamespaceListener>()
  readonly #mutation: Mutation

  constructor(sim: Sim, client: SimClient, mutation: Mutation) {
    this.#mutation = mutation
    this.clock = sim.clock()
    this.epochs = new Epochs(new RemoteEpochs(sim, client), {
      trusted: () => mutation.noTrust === true || this.trusted(),
      now: () => this.clock.now(),
    })
  }

  now(): number {
    return this.clock.now()
  }

  trusted(): boolean {
    return this.clock.now() <= this.feed.trustedUntil
  }

  listen(one: NamespaceListener): () => void {
    this.#listeners.add(one)
    return () => this.#listeners.delete(one)
  }

  touch(key: string): void {
    for (const one of this.#listeners) one.changed(key, true)
  }

  changed(key: string): void {
    for (const one of this.#listeners) one.changed(key, false)
  }

  touchWhere(matches: (key: string) => boolean): void {
    for (const one of this.#listeners) one.changedWhere(matches)
  }

  async invalidate(tags: readonly Tag[], mode: 'hard' | 'soft'): Promise<void> {
    if (!this.#mutation.noBegin) this.epochs.begin(tags, mode)
    await this.epochs.raise(tags, mode)
    if (!this.#mutation.noBegin) this.epochs.settle(tags, mode)
  }

  lose(): void {
    this.feed.connection++
    this.feed.trustedUntil = Number.NEGATIVE_INFINITY
    if (this.#mutation.noConnection) return
    this.epochs.distrust()
    for (const one of this.#listeners) one.distrusted()
  }

  trust(): void {
    this.feed.connection++
    if (this.#mutation.noConnection) this.feed.connection = 1
    else {
      this.epochs.forget()
      for (const one of this.#listeners) one.allChanged()
    }
    this.feed.trustedUntil = Number.POSITIVE_INFINITY
  }
}

/** The server's epochs, as a client asks for them. */
class RemoteEpochs implements EpochStore {
  readonly #sim: Sim
  readonly #client: SimClient

  constructor(sim: Sim, client: SimClient) {
    this.#sim = sim
    this.#client = client
  }

  ensure(tags: readonly Tag[]): Promise<{ clock: Epoch; tags: (TagEpochs & { life: number })[] }> {
    return this.#client.ask(`ensure ${tags.join()}`, async () => {
      const before = await this.#sim.epochs.read(tags)
      const made = await this.#sim.epochs.ensure(tags)
      tags.forEach((tag, i) => {
        if (before[i] === undefined) this.#sim.tell({ tag })
      })
      return made
    })
  }

  read(tags: readonly Tag[]): Promise<(TagRecord | undefined)[]> {
    return this.#client.ask(`read ${tags.join()}`, () => this.#sim.epochs.read(tags))
  }

  raise(tags: readonly Tag[], mode: 'hard' | 'soft'): Promise<Epoch> {
    return this.#client.ask(`raise ${tags.join()}`, async () => {
      const before = await this.#sim.epochs.read(tags)
      const epoch = await this.#sim.epochs.raise(tags, mode)
      tags.forEach((tag, i) => {
        if (before[i] !== undefined) this.#sim.tell({ tag })
      })
      return epoch
    })
  }
}

/** The server's slots, as a client asks for them. */
class RemoteStore implements Store {
  readonly up = true
  readonly #sim: Sim
  readonly #client: SimClient

  constructor(sim: Sim, client: SimClient) {
    this.#sim = sim
    this.#client = client
  }

  alive(): Promise<unknown> {
    return this.#ask('ping', (store) => store.alive())
  }
  read(key: string): Promise<Buffer | null> {
    return this.#ask('get', (store) => store.read(key))
  }
  readMany(keys: readonly string[]): Promise<(Buffer | null)[]> {
    return this.#ask('mget', (store) => store.readMany(keys))
  }
  lease(key: string, placeholder: Buffer, limit: number, refuse: Buffer | undefined): Promise<Grant> {
    return this.#ask('lease', (store) => store.lease(key, placeholder, limit, refuse))
  }
  leaseRefresh(key: string, token: Buffer, limit: number, steal: boolean): Promise<boolean> {
    return this.#ask('lease of refresh', (store) => store.leaseRefresh(key, token, limit, steal))
  }
  fill(key: string, token: Buffer, refreshed: Buffer | undefined, bytes: Buffer, life: number): Promise<boolean> {
    return this.#ask('fill', (store) => store.fill(key, token, refreshed, bytes, life))
  }
  release(key: string, token: Buffer): Promise<void> {
    return this.#ask('release', (store) => store.release(key, token))
  }
  renew(key: string, token: Buffer, limit: number, refresh: boolean): Promise<boolean> {
    return this.#ask('renew', (store) => store.renew(key, token, limit, refresh))
  }
  put(key: string, bytes: Buffer, life: number): Promise<void> {
    return this.#ask('put', (store) => store.put(key, bytes, life))
  }
  commit(key: string, ticket: Buffer, bytes: Buffer, life: number): Promise<boolean> {
    return this.#ask('commit', (store) => store.commit(key, ticket, bytes, life))
  }
  remove(key: string): Promise<void> {
    return this.#ask('del', (store) => store.remove(key))
  }
  expire(key: string): Promise<void> {
    return this.#ask('expire', (store) => store.expire(key))
  }
  removeMatching(pattern: string, matches: (key: string) => boolean): Promise<number> {
    return this.#ask('unlink', (store) => store.removeMatching(pattern, matches))
  }

  #ask<R>(label: string, run: (store: Store) => Promise<R>): Promise<R> {
    return this.#client.ask(label, () => run(this.#sim.store))
  }
}

/** What a program may do. */
export type Action =
  | { readonly what: 'read' | 'readFromRedis' | 'get'; readonly tags?: 'given' | 'computed' }
  | {
      readonly what: 'delete' | 'invalidate' | 'clear' | 'writeThrough' | 'expire' | 'foreignDelete' | 'evict' | 'crash'
    }

/** A server, its clients, a database of one row, and what a call may be answered with. */
export class Sim {
  readonly epochs = new MemoryEpochStore()
  readonly store: MemoryStore
  readonly clients: readonly SimClient[]
  /** What happened, for the message of a failure. */
  readonly trace: string[] = []
  readonly violations: string[] = []
  /** The database: one row, whose value grows with each write. */
  row = 0
  loads = 0
  #time = 0
  readonly #calls: Call[] = []
  /** Loaders that were called and have not read the row yet, and those that have not returned. */
  readonly #loaders: Step[] = []

  constructor(clients: number, mutation: Mutation = {}) {
    const clock = this.clock()
    const server = { clock, changed: (key: string) => this.tell({ key }) }
    this.store = MemoryStore.of(server as unknown as Namespace, BOUNDS)
    this.clients = Array.from({ length: clients }, (_, i) => new SimClient(this, `P${i}`, mutation))
  }

  /** A clock that stands still until {@link pass}. */
  clock(): Clock {
    return new Clock({ monotonic: () => this.#time, wall: () => 1_700_000_000_000 + this.#time })
  }

  /** Lets time pass; timers are the test's own matter. */
  pass(milliseconds: number): void {
    this.#time += milliseconds
  }

  tell(message: Message): void {
    for (const client of this.clients) client.tell(message)
  }

  /** What may happen now. */
  steps(): Step[] {
    return [...this.clients.flatMap((client) => [...client.steps()]), ...this.#loaders]
  }

  /** Whether a call waits for its answer. */
  get waiting(): string[] {
    return this.#calls.filter(({ done }) => !done).map(({ label }) => label)
  }

  /** Runs one step, and whatever follows from it at once. */
  async run(step: Step): Promise<void> {
    this.trace.push(step.label)
    await step.run()
    await settle()
  }

  /** Starts a call of a client. */
  async start(client: SimClient, action: Action): Promise<void> {
    const label = `${client.name} ${action.what}`
    this.trace.push(`${label} (row ${this.row})`)
    if (!client.crashed) this.#start(client, action, label)
    await settle()
  }

  #start(client: SimClient, action: Action, label: string): void {
    const call: Call = { label, done: false }
    const tags = 'tags' in action && action.tags === 'computed' ? () => ['tag'] : ['tag']
    const finish = (promise: Promise<unknown>, then: (value: unknown) => void): void => {
      this.#calls.push(call)
      promise
        .then(then, (error) => this.violations.push(`${label} failed: ${error}`))
        .finally(() => {
          call.done = true
        })
    }
    const { cache } = client
    switch (action.what) {
      case 'read':
      case 'readFromRedis':
      case 'get': {
        const { heard, done } = client.floors
        const floor = (action.what === 'readFromRedis' ? done : heard).get('key') ?? 0
        const options = action.what === 'readFromRedis' ? { memory: false, tags } : { tags }
        const answer =
          action.what === 'get' ? cache.get('key') : cache.getOrSet('key', () => this.#load(client), options)
        finish(answer, (value) => {
          this.trace.push(`${label} = ${value}`)
          if (value !== undefined && (value as number) < floor) {
            this.violations.push(`${label} was answered with ${value}, but ${floor} was due when it began`)
          }
        })
        return
      }
      case 'delete': {
        const version = ++this.row
        finish(cache.delete('key'), () => this.#done(client, version, 'key'))
        return
      }
      case 'invalidate': {
        const version = ++this.row
        const { namespace } = client
        finish(namespace.invalidate([encodeTag('tag')], 'hard'), () => this.#done(client, version, 'tag'))
        return
      }
      case 'clear': {
        const version = ++this.row
        finish(cache.clear(), () => this.#done(client, version, 'tag'))
        return
      }
      case 'expire': {
        finish(cache.expire('key'), () => {})
        return
      }
      case 'writeThrough': {
        let version = 0
        const write = () =>
          this.#later(`${client.name} writes`, client, () => {
            version = ++this.row
            return version
          })
        finish(cache.writeThrough('key', write, { tags }), () => this.#done(client, version, 'key'))
        return
      }
      case 'foreignDelete': {
        const version = ++this.row
        finish(this.store.remove('key'), () => this.#done(undefined, version, 'key'))
        return
      }
      case 'evict': {
        finish(this.store.remove('key'), () => {})
        return
      }
      case 'crash': {
        client.crash()
        for (const one of this.#calls) if (one.label.startsWith(client.name)) one.done = true
      }
    }
  }

  /** The act that made a version count was done: for its process at once, for others when they have heard of it. */
  #done(by: SimClient | undefined, version: number, what: 'key' | 'tag'): void {
    this.trace.push(`version ${version} counts${by ? ` in ${by.name}` : ''}`)
    for (const client of this.clients) {
      const raise = (floors: Map<string, number>) => floors.set('key', Math.max(floors.get('key') ?? 0, version))
      const all = (): void => {
        raise(client.floors.heard)
        raise(client.floors.done)
      }
      if (client === by) all()
      else {
        // A call that asks Redis sees what was done to a key at once; of a tag it knows by the feed.
        if (what === 'key') raise(client.floors.done)
        client.follow(all)
      }
    }
  }

  #load(client: SimClient): Promise<number> {
    this.loads++
    return this.#later(`${client.name} loads`, client, () => this.row)
  }

  /** Two steps: one that looks at the database, one that returns what it saw. */
  #later(label: string, client: SimClient, look: () => number): Promise<number> {
    return new Promise((resolve) => {
      const add = (what: string, run: () => void): void => {
        const step: Step = {
          label: what,
          run: () => {
            this.#loaders.splice(this.#loaders.indexOf(step), 1)
            if (!client.crashed) run()
          },
        }
        this.#loaders.push(step)
      }
      add(`${label} looks`, () => {
        const seen = look()
        add(`${label} returns ${seen}`, () => resolve(seen))
      })
    })
  }
}
