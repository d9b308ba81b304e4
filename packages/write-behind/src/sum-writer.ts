import { type Argument, Clock, type Gate, loadScript, type Reply } from '@larder/core'
import type { ShardKeys } from './shard-keys.js'
import type { Entry, Written } from './store.js'

const COUNT = loadScript(import.meta.url, './count.lua')

/** Milliseconds for which a generation is written to without being asked for: half of what a taken one is remembered. */
const TRUST = 1_800_000
/** A process may add this part of the room that it last saw before it looks again. */
const SHARE = 8

/** What this process has added to a key, or taken from it, in this generation. */
interface Member {
  readonly name: string
  total: number
  written: boolean
}

/** Total and name of each member of a frame, and how many of them are new. */
interface Members {
  readonly list: Member[]
  readonly args: Argument[]
  readonly fresh: number
}

/**
 * Writes increments so that a command may be executed twice, late or by a client that sends it again after a lost connection, and
 * still counts once: each process has a member of its own for each key, and sets it to its total of this generation of the sorted
 * set, if greater (a state-based PN-counter: Shapiro et al., "Conflict-free Replicated Data Types", 2011). One ZADD GT, no script.
 * A generation ends when its batch is taken: what comes too late fails, and count.lua tells whether the frame made it.
 */
export class SumWriter {
  /** A generation that was replaced without being taken, since Redis lost its data. */
  orphan: string | undefined
  readonly #gate: Gate
  readonly #keys: ShardKeys
  readonly #process: string
  readonly #every: number
  readonly #clock = new Clock()
  #generation = ''
  /** By key. */
  #added = new Map<string, Member>()
  #taken = new Map<string, Member>()
  #allowance = 0
  /** What waits, as last heard, and what was added here since. */
  #size = 0
  #trustedUntil = Number.NEGATIVE_INFINITY
  #frame = 0
  #doubted: readonly Entry[] | undefined

  /** @param process 11 characters that no other process has */
  constructor(gate: Gate, keys: ShardKeys, process: string, every: number) {
    this.#gate = gate
    this.#keys = keys
    this.#process = process
    this.#every = every
  }

  /** The generation that was last written to. */
  get generation(): string {
    return this.#generation
  }

  async write(entries: readonly Entry[], limit: number): Promise<Written> {
    if (this.#doubted !== entries) this.#frame++
    this.#doubted = entries
    for (;;) {
      const members = this.#members(entries)
      if (members.fresh <= this.#allowance && this.#clock.now() < this.#trustedUntil) {
        // Without looking; it fails when the generation was taken.
        const args = [this.#keys.live(this.#generation), 'GT', this.#frame, this.#process, ...members.args]
        try {
          await this.#gate.call('zadd', args)
          this.#allowance -= members.fresh
          this.#size += members.fresh
          return this.#stored(members, this.#size)
        } catch (error) {
          if (!(error instanceof Error && error.message.startsWith('WRONGTYPE'))) throw error
        }
      }
      const written = await this.#count(members, limit)
      if (written) return written
    }
  }

  async #count(members: Members, limit: number): Promise<Written | undefined> {
    const { live, state, writers } = this.#keys
    const args = [this.#generation, this.#process, this.#frame, limit, this.#every, ...members.args]
    const reply = (await this.#gate.run(COUNT, [live(this.#generation), state, writers], args)) as Reply[]
    const [answer, ...details] = reply.map(String)
    if (answer === 'stored') {
      const size = Number(details[0])
      this.#size = size
      this.#allowance = Math.floor(Math.max(limit - size, 0) / SHARE)
      this.#trustedUntil = this.#clock.now() + TRUST
      return this.#stored(members, size)
    }
    if (answer === 'full') {
      this.#doubted = undefined
      return { state: 'full', refused: details.map(Number) }
    }
    const [generation, last, untaken] = details as [string, string, string]
    const applied = last !== '' && Number(last) >= this.#frame
    if (untaken === '1' && this.#generation !== '') this.orphan = this.#generation
    if (applied) this.#stored(members, undefined)
    this.#generation = generation
    this.#added = new Map()
    this.#taken = new Map()
    this.#trustedUntil = Number.NEGATIVE_INFINITY
    return applied ? { state: 'stored', size: undefined } : undefined
  }

  #stored({ list, args }: Members, size: number | undefined): Written {
    this.#doubted = undefined
    for (let i = 0; i < list.length; i++) {
      const member = list[i] as Member
      member.total = args[2 * i] as number
      member.written = true
    }
    return { state: 'stored', size }
  }

  #members(entries: readonly Entry[]): Members {
    const list: Member[] = []
    const args: Argument[] = []
    let fresh = 0
    for (const { key, value } of entries) {
      const amount = value as number
      const member = this.#member(key, amount < 0)
      if (!member.written) fresh++
      list.push(member)
      args.push(member.total + Math.abs(amount), member.name)
    }
    return { list, args, fresh }
  }

  #member(key: string, negative: boolean): Member {
    const members = negative ? this.#taken : this.#added
    let member = members.get(key)
    if (!member) {
      member = { name: `${this.#process}${negative ? '-' : '+'}${key}`, total: 0, written: false }
      members.set(key, member)
    }
    return member
  }
}
