import { randomBytes } from 'node:crypto'
import { Clock, Gate, isCluster, type Log, loadScript, type RedisClient, type Reply } from '@larder/core'
import type { ReleaseAnswer } from './channel.js'
import { Replicator } from './replicator.js'
import { type Family, Resource } from './resource.js'
import {
  type Answer,
  type Ask,
  type Claim,
  type Grant,
  LAST,
  type LockStore,
  type Mode,
  type RenewAnswer,
  type StoreListener,
} from './store.js'
import { Subscriber } from './subscriber.js'

const TAKE = loadScript(import.meta.url, './take.lua')
const DROP = loadScript(import.meta.url, './drop.lua')
const ACQUIRE = loadScript(import.meta.url, './queue.lua', './acquire.lua')
const RELEASE = loadScript(import.meta.url, './queue.lua', './release.lua')
const RENEW = loadScript(import.meta.url, './queue.lua', './renew.lua')

/** Milliseconds for which a retried release finds the answer of the first. */
const LATCH_LIFE = 60_000
/** Leases that one command prolongs at most: about half a millisecond of the server. */
const RENEWALS = 100

/** Options of a {@link RedisStore}. */
export interface RedisStoreOptions {
  readonly namespace: string
  /** Milliseconds that a command may take. */
  readonly deadline: number
  readonly log: Log
  readonly clock?: Clock
}

/** Leases in Redis, one server, Sentinel or Cluster. */
export class RedisStore implements LockStore {
  readonly deadline: number
  readonly #gate: Gate
  readonly #clock: Clock
  readonly #namespace: string
  readonly #subscriber: Subscriber
  readonly #replicator: Replicator
  readonly #process = randomBytes(9).toString('base64url')
  readonly #prefix: string
  readonly #channel: string
  readonly #deaf: string
  /** By slot: the highest fencing token seen. */
  readonly #seen: string[] = []
  /** By slot: places for latches that no release under way uses, and how many there are. */
  readonly #latches: { free: number[]; count: number }[] = []
  /** Places of the releases whose answer was not heard yet. */
  readonly #latched = new WeakMap<Claim, number>()
  #members = 0
  #listener: StoreListener | undefined
  #listening: Promise<void> | undefined
  #endChange: (() => void) | undefined

  constructor(client: RedisClient, { namespace, deadline, log, clock = new Clock() }: RedisStoreOptions) {
    this.deadline = deadline
    this.#namespace = namespace
    this.#clock = clock
    this.#gate = new Gate(client, { deadline, log })
    this.#subscriber = Subscriber.acquire(client)
    this.#replicator = new Replicator(client, deadline)
    this.#prefix = `${namespace}:locks:`
    this.#channel = this.#prefix + this.#process
    this.#deaf = isCluster(client) ? '1' : ''
  }

  get listening(): boolean {
    return this.#subscriber.hears(this.#channel)
  }

  /** Resolves when the client was connected for the first time, or is known to be down; at most after the deadline. */
  settled(): Promise<void> {
    return this.#gate.breaker.settled(this.deadline)
  }

  now(): number {
    return this.#clock.now()
  }

  member(mode: Mode, wait: number): string {
    return `${mode}:${wait}:${this.#process}:${++this.#members}`
  }

  resource(family: Family, name: string): Resource {
    return new Resource(this.#namespace, family, name)
  }

  attach(listener: StoreListener): void {
    this.#listener = listener
    this.#endChange = this.#gate.breaker.onChange((up) => listener.changed(up))
  }

  async listen(): Promise<void> {
    if (this.listening) return
    this.#listening ??= new Promise((resolve) => {
      this.#subscriber.listen(this.#channel, {
        heard: (message) => {
          const [member, token, at] = message.split(' ') as [string, string, string]
          this.#listener?.called(member, BigInt(token), Number(at))
        },
        subscribed: () => {
          resolve()
          this.#listener?.missed()
        },
      })
    })
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.deadline).unref()
    })
    await Promise.race([this.#listening, late])
    clearTimeout(timer)
  }

  check(): void {
    this.#subscriber.check(this.#clock.now())
  }

  async acquire(ask: Ask): Promise<Answer> {
    const { resource, member, ttl, arrival } = ask
    const seen = this.#seen[resource.slot] ?? '0'
    if (resource.mutex && !ask.behind && (arrival === undefined || arrival === LAST)) {
      const since = this.#clock.now()
      const reply = await this.#gate.run(TAKE, [resource.place, resource.fence], [member, ttl, seen])
      if (reply instanceof Buffer) return this.#granted(ask, reply, since, true)
      if (arrival === undefined) return { state: 'refused' }
    }
    const since = this.#clock.now()
    const keys = [resource.place, resource.queue, resource.fence]
    const reply = await this.#gate.run(ACQUIRE, keys, [member, ttl, seen, arrival ?? '', this.#prefix, this.#deaf])
    if (reply instanceof Buffer) return this.#granted(ask, reply, since, false)
    if (!Array.isArray(reply)) return { state: 'refused' }
    return { state: 'queued', after: Number(reply[0]), arrival: String(reply[1]), asked: since }
  }

  async release(claim: Claim, thin: boolean): Promise<ReleaseAnswer> {
    const { resource, member } = claim
    const places = this.#places(resource.slot)
    const place = this.#latched.get(claim) ?? places.free.pop() ?? places.count++
    const latch = `${this.#namespace}:latch:{${resource.slot}}:${this.#process}:${place}`
    // Until the answer is heard, nobody else may use the place.
    this.#latched.set(claim, place)
    const reply = await this.#release(resource, member, thin, latch)
    this.#latched.delete(claim)
    places.free.push(place)
    return reply === 1 ? 'released' : reply === 0 ? 'expired' : 'stolen'
  }

  async leave({ resource, member }: Claim): Promise<void> {
    await this.#end(resource, member, resource.fence, 0)
  }

  renew(claims: readonly Claim[], tell: (index: number, answer: RenewAnswer | Error, since: number) => void): void {
    for (const group of this.#grouped(claims)) {
      const keys = group.map((index) => (claims[index] as Claim).resource.place)
      const args = group.flatMap((index) => {
        const { member, ttl } = claims[index] as Claim
        return [member, ttl]
      })
      const since = this.#clock.now()
      const answer = (replies: Reply): void => {
        if (!Array.isArray(replies)) return
        for (const [i, index] of group.entries()) {
          tell(index, replies[i] === 1 ? 'extended' : replies[i] === 0 ? 'expired' : 'stolen', since)
        }
      }
      // An answer after the deadline is still true: the lease began when it was asked for.
      this.#gate.run(RENEW, keys, args, answer).then(answer, (error: Error) => {
        for (const index of group) tell(index, error, since)
      })
    }
  }

  async replicate({ resource, member, ttl }: Claim, replicas: number): Promise<{ confirmed: number; since: number }> {
    const since = this.#clock.now()
    const confirmed = await this.#replicator.run(RENEW, [resource.place], [member, ttl], replicas)
    return { confirmed, since }
  }

  close(): void {
    this.#endChange?.()
    this.#subscriber.release(this.#channel)
    this.#replicator.close()
    this.#gate.close()
  }

  #granted({ resource: { slot }, ttl }: Ask, reply: Buffer, since: number, thin: boolean): Grant {
    const token = reply.toString('latin1')
    const seen = this.#seen[slot]
    if (seen === undefined || token > seen) this.#seen[slot] = token
    return { state: 'granted', token: BigInt(token), since, until: since + ttl, thin, called: false }
  }

  async #release(resource: Resource, member: string, thin: boolean, latch: string): Promise<Reply> {
    if (thin) {
      const reply = await this.#gate.run(DROP, [resource.place, latch], [member, LATCH_LIFE])
      if (reply === 1) return reply
    }
    return this.#end(resource, member, latch, LATCH_LIFE)
  }

  #end({ place, queue, fence, slot }: Resource, member: string, latch: string, life: number): Promise<Reply> {
    const keys = [place, queue, fence, latch]
    return this.#gate.run(RELEASE, keys, [member, life, this.#seen[slot] ?? '0', this.#prefix, this.#deaf])
  }

  #places(slot: number): { free: number[]; count: number } {
    let places = this.#latches[slot]
    if (!places) {
      places = { free: [], count: 0 }
      this.#latches[slot] = places
    }
    return places
  }

  /** The indices of leases that one command may prolong: all, or on Cluster those of a slot. */
  #grouped(claims: readonly Claim[]): number[][] {
    const bySlot = new Map<number, number[]>()
    for (const [index, { resource }] of claims.entries()) {
      const slot = this.#deaf ? resource.slot : 0
      const group = bySlot.get(slot)
      if (group) group.push(index)
      else bySlot.set(slot, [index])
    }
    return [...bySlot.values()].flatMap((group) => chunks(group, RENEWALS))
  }
}

function chunks<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
