import { Gate, isCluster, type Log, loadScript, type RedisClient, type Reply } from '@larder/core'
import { Frames } from './frames.js'
import { ServerTime } from './server-time.js'
import type { Standing } from './standings.js'
import { type BoardStore, type Change, MOVED, type Place } from './store.js'

const RANK = loadScript(import.meta.url, './rank.lua')
const TOP = loadScript(import.meta.url, './top.lua')
const AROUND = loadScript(import.meta.url, './around.lua')

/** Bytes in front of a member in the sorted set. */
const ORDER_BYTES = 6

/** Options of a {@link RedisStore}. */
export interface RedisStoreOptions {
  readonly namespace: string
  /** Milliseconds that a command may take. */
  readonly deadline: number
  readonly log: Log
  /** Which time windows go by; default: the server's. */
  readonly clock?: (() => number) | undefined
}

/** Leaderboards in Redis, one server, Sentinel or Cluster: one command a call at most, all windows of a board in one slot. */
export class RedisStore implements BoardStore {
  readonly #gate: Gate
  readonly #namespace: string
  readonly #clock: (() => number) | undefined
  readonly #time: ServerTime
  readonly #frames: Frames
  /** Whether the client makes inexact numbers of doubles. */
  readonly #rounds: boolean

  constructor(client: RedisClient, { namespace, deadline, log, clock }: RedisStoreOptions) {
    this.#gate = new Gate(client, { deadline, log })
    this.#namespace = namespace
    this.#clock = clock
    this.#time = new ServerTime(this.#gate)
    this.#frames = new Frames(this.#gate, {
      keys: (place) => this.#keys(place),
      latch: (place, process) => `${this.#key('frame', place)}:${process}`,
      clock,
      moved: (time) => this.#time.learn(time),
    })
    const { replyMapping } = (isCluster(client) ? client.options.redisOptions : client.options) ?? {}
    this.#rounds = replyMapping === 'resp3'
  }

  /** Resolves when the client was connected for the first time, or is known to be down; at most after the deadline. */
  settled(): Promise<void> {
    return this.#gate.breaker.settled(this.#gate.deadline)
  }

  now(): number | Promise<number> {
    return this.#clock === undefined ? this.#time.now() : this.#clock()
  }

  async change(place: Place, change: Change): Promise<number | undefined | typeof MOVED> {
    const score = await this.#frames.write(place, change)
    return Number.isNaN(score) ? undefined : score
  }

  async remove(place: Place, member: string): Promise<boolean | typeof MOVED> {
    const removed = await this.#frames.write(place, { member, how: 'remove', amount: 0 })
    return removed === MOVED ? MOVED : removed === 1
  }

  async clear(place: Place): Promise<typeof MOVED | undefined> {
    const cleared = await this.#frames.write(place, { member: '', how: 'clear', amount: 0 })
    return cleared === MOVED ? MOVED : undefined
  }

  async top(place: Place, offset: number, count: number): Promise<Standing[]> {
    const board = this.#board(place)
    const last = offset + count - 1
    const reply = this.#rounds
      ? this.#gate.run(TOP, [board], [offset, last])
      : this.#gate.call('zrevrange', [board, offset, last, 'WITHSCORES'])
    return toStandings((await reply) as Reply[], offset)
  }

  async rank(place: Place, member: string): Promise<Standing | undefined> {
    const reply = await this.#gate.run(RANK, this.#keys(place), [member])
    if (!Array.isArray(reply)) return undefined
    return { member, score: (reply[1] as Buffer).readDoubleBE(), rank: Number(reply[0]) + 1 }
  }

  async around(place: Place, member: string, each: number): Promise<Standing[]> {
    const reply = await this.#gate.run(AROUND, this.#keys(place), [member, each])
    return Array.isArray(reply) ? toStandings(reply[1] as Reply[], Number(reply[0])) : []
  }

  async count(place: Place): Promise<number> {
    return Number(await this.#gate.call('zcard', [this.#board(place)]))
  }

  close(): void {
    this.#gate.close()
  }

  #board(place: Place): string {
    return this.#key('board', place)
  }

  #keys(place: Place): [board: string, members: string] {
    return [this.#board(place), this.#key('member', place)]
  }

  #key(kind: 'board' | 'member' | 'frame', { name, key }: Place): string {
    return `${this.#namespace}:${kind}:{${name}}:${key}`
  }
}

/** Of elements and scores in turn. */
function toStandings(reply: Reply[], first: number): Standing[] {
  const standings: Standing[] = []
  for (let i = 0; i < reply.length; i += 2) {
    const member = (reply[i] as Buffer).toString('utf8', ORDER_BYTES)
    standings.push({ member, score: Number(reply[i + 1]), rank: first + i / 2 + 1 })
  }
  return standings
}
