import { type Argument, Clock, type Gate, loadScript, type Reply } from '@larder/core'
import type { ShardKeys } from './shard-keys.js'
import type { Entry, Written } from './store.js'

const COUNT = loadScript(import.meta.url, './count.lua')

/** Milliseconds for which a generation is written to without being asked for: half of what a taken one is remembered. */
const TRUST = 1_800_000
/** A process may add this part of the room that it last saw before it looks again. */
const SHARE = 8

/** Total and name of each member of a frame, and how many of them are new. */
interface Members {
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
  /** What this process has written in this generation, by member. */
  #totals = new Map<string, number>()
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
      const trusted = this.#clock.now() < this.#trustedUntil
      if (trusted && members.fresh <= this.#allowance && (await this.#add(members))) {
        this.#allowance -= members.fresh
        this.#size += members.fresh
        return this.#stored(members, this.#size)
      }
      const written = await this.#count(members, limit)
      if (written) return written
    }
  }

  /** Without looking; `false` when the generation was taken. */
  async #add({ args }: Members): Promise<boolean> {
    try {
      await this.#gate.call('zadd', [this.#keys.live(this.#generation), 'GT', this.#frame, this.#process, ...args])
      return true
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return false
      throw error
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
    this.#totals = new Map()
    this.#trustedUntil = Number.NEGATIVE_INFINITY
    return applied ? { state: 'stored', size: undefined } : undefined
  }

  #stored({ args }: Members, size: number | undefined): Written {
    this.#doubted = undefined
    for (let i = 0; i < args.length; i += 2) this.#totals.set(args[i + 1] as string, args[i] as number)
    return { state: 'stored', size }
  }

  #members(entries: readonly Entry[]): Members {
    const args: Argument[] = []
    let fresh = 0
    for (const { key, value } of entries) {
      const amount = value as number
      const member = this.#member(key, amount)
      const total = this.#totals.get(member)
      if (total === undefined) fresh++
      args.push((total ?? 0) + Math.abs(amount), member)
    }
    return { args, fresh }
  }

  #member(key: string, amount: number): string {
    return `${this.#process}${amount < 0 ? '-' : '+'}${key}`
  }
}
