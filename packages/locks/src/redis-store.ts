import { randomBytes } from 'node:crypto'
import { Clock, Gate, isCluster, type Log, loadScript, type RedisClient, type Reply } from '@larder/core'
import { Batch } from './batch.js'
import type { ReleaseAnswer } from './channel.js'
import { Replicator } from './replicator.js'
import { type Family, Resource } from './resource.js'
import { type Slot, Slots } from './slots.js'
import {
  type Answer,
  type Ask,
  type Claim,
  type Grant,
  LAST,
  type LockStore,
  type Mode,
  REFUSED,
  type RenewAnswer,
  type StoreListener,
} from './store.js'
import { Subscriber } from './subscriber.js'

const TAKE = loadScript(import.meta.url, './take.lua')
const DROP = loadScript(import.meta.url, './drop.lua')
const ACQUIRE = loadScript(import.meta.url, './queue.lua', './acquire.lua')
const RELEASE = loadScript(import.meta.url, './queue.lua', './release.lua')
const RENEW = loadScript(import.meta.url, './queue.lua', './renew.lua')

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
  readonly #slots: Slots
  readonly #takes: Batch
  readonly #drops: Batch
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
    this.#slots = new Slots(namespace, this.#process)
    this.#takes = new Batch(this.#gate, TAKE, isCluster(client))
    this.#drops = new Batch(this.#gate, DROP, isCluster(client))
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
          this.#listener?.called(member, token, Number(at))
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

  acquire(ask: Ask): Promise<Answer> {
    const { resource } = ask
    const slot = this.#slots.at(resource.slot)
    const since = this.#clock.now()
    if (!resource.mutex || ask.behind) return this.#ask(ask, slot, since)
    return this.#takes.run([resource.place, slot.fence], [ask.member, ask.ttl], resource.slot, (reply) => {
      if (!(reply instanceof Buffer)) return REFUSED
      const token = reply.toString('latin1')
      if (token > slot.seen) return granted(ask, slot, token, { since, thin: true, lost: false })
      // The last token was lost and the clock set back: the other script is told what was seen.
      return this.#ask(ask, slot, since)
    })
  }

  async release(claim: Claim, thin: boolean): Promise<ReleaseAnswer> {
    const { resource } = claim
    // Until the answer is heard, a retry uses the same and nobody else does.
    claim.latch ??= this.#slots.latch(resource.slot)
    const { latch } = claim
    let reply = thin ? await this.#drops.run([resource.place, latch], [claim.member], resource.slot, Number) : 0
    if (reply !== 1) reply = await this.#end(claim, [latch])
    this.#slots.at(resource.slot).latches.push(latch)
    claim.latch = undefined
    return reply === 1 ? 'released' : reply === 0 ? 'expired' : 'stolen'
  }

  async leave(claim: Claim): Promise<void> {
    // Who may have been released before, and asks again, is to be told so.
    await this.#end(claim, claim.latch === undefined ? [] : [claim.latch])
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
          const found = Number(replies[i])
          tell(index, found === 1 ? 'extended' : found === 0 ? 'expired' : 'stolen', since)
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

  async #ask(ask: Ask, slot: Slot, since: number): Promise<Answer> {
    const { resource, member, ttl, arrival = '' } = ask
    const keys = [resource.place, resource.queue, slot.fence]
    const reply = await this.#gate.run(ACQUIRE, keys, [member, ttl, slot.seen, arrival, this.#prefix, this.#deaf])
    if (!Array.isArray(reply)) return REFUSED
    const [after, what, again] = reply
    const lost = Number(again) === 1
    if (Number(after) === 0) return granted(ask, slot, String(what), { since, thin: false, lost })
    return { state: 'queued', after: Number(after), arrival: String(what), asked: since, lost }
  }

  async #end({ resource, member }: Claim, latch: [] | [string]): Promise<number> {
    const { fence, seen } = this.#slots.at(resource.slot)
    const keys = [resource.place, resource.queue, fence, ...latch]
    return Number(await this.#gate.run(RELEASE, keys, [member, seen, this.#prefix, this.#deaf]))
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

function granted(ask: Ask, slot: Slot, token: string, about: Pick<Grant, 'since' | 'thin' | 'lost'>): Grant {
  const { since, thin, lost } = about
  if (token > slot.seen) slot.seen = token
  const had = ask.arrival === undefined || ask.arrival === LAST ? 'free' : 'asked'
  return { state: 'granted', claim: ask, token, since, until: since + ask.ttl, thin, had, lost }
}

function chunks<T>(items: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
