import { randomBytes } from 'node:crypto'
import { type Gate, keyPrefixOf, loadScript, type RedisClient, type Reply } from '@larder/core'
import type { Redis } from 'ioredis'
import { readEntries, toEntry } from './entries.js'
import { START } from './entry-id.js'
import type { Delivery, Entry, Harvest, Member, Ownership } from './store.js'
import { isMoved, nodeOf, refreshSlots, slotOf, unblock } from './topology.js'
import { Wire } from './wire.js'

const JOIN = loadScript(import.meta.url, './join.lua')
const FETCH = loadScript(import.meta.url, './fetch.lua')
const CLAIM = loadScript(import.meta.url, './claim.lua')
const RECOVER = loadScript(import.meta.url, './recover.lua')
const HOLD = loadScript(import.meta.url, './hold.lua')
const BURY = loadScript(import.meta.url, './bury.lua')
const LEAVE = loadScript(import.meta.url, './leave.lua')

/** What a dead consumer may hold that is looked for at once. */
const HELD = 1_000
/** Milliseconds after which a consumer that holds nothing and says nothing is forgotten. */
const FORGOTTEN = 3_600_000
/** For how long entries that were given back seem untouched, in milliseconds: longer than anybody waits. */
const GIVEN_BACK = 7 * 24 * 3_600_000

/** Milliseconds that an answer under way is waited for at the end. */
const FAREWELL = 250
const NOTHING: Harvest = { deliveries: [], missed: 0 }

/** Options of a {@link RedisMember}. */
export interface RedisMemberOptions {
  readonly client: RedisClient
  readonly gate: Gate
  /** Keys, in one slot. */
  readonly stream: string
  readonly dead: string
  readonly group: string
  /** Milliseconds after which a connection that does not answer is replaced. */
  readonly heartbeat: number
}

/** A consumer of a group in Redis, which waits for entries on a connection of its own. */
export class RedisMember implements Member {
  readonly #options: RedisMemberOptions
  readonly #name = randomBytes(12).toString('base64url')
  #wire: Wire | undefined
  #node: Redis | undefined
  #ready: (() => void) | undefined
  /** Where looking for the entries of dead consumers goes on. */
  #cursor = START
  #closed = false
  /** Of the server's connections. */
  #connection: number | undefined
  #farewell: NodeJS.Timeout | undefined
  /** Whether the last look for new entries found none. */
  #empty = false

  constructor(options: RedisMemberOptions) {
    this.#options = options
  }

  async join(from: string): Promise<void> {
    const { gate, stream, group } = this.#options
    await gate.run(JOIN, [stream], [group, from === 'now' ? '$' : from])
  }

  async take(count: number): Promise<Harvest> {
    const wire = await this.#connected()
    if (!wire) return NOTHING
    const { client, heartbeat, group } = this.#options
    const key = keyPrefixOf(client) + this.#options.stream
    try {
      this.#connection ??= await wire.ask(heartbeat, (redis) => redis.client('ID'))
      if (this.#closed) return NOTHING
      if (this.#empty) {
        // Nothing was left a moment ago: what comes now comes to who waits.
        this.#empty = false
        const block = Math.ceil(heartbeat / 2)
        const args = ['GROUP', group, this.#name, 'COUNT', count, 'BLOCK', block, 'STREAMS', key, '>']
        const reply = await wire.ask(heartbeat, (redis) => redis.call('XREADGROUP', ...args))
        const [stream] = (reply as [string, unknown][] | null) ?? []
        return { deliveries: first(readEntries(stream?.[1])), missed: 0 }
      }
      const args = [1, key, group, this.#name, count]
      const reply = (await wire.ask(heartbeat, (redis) => run(redis, FETCH, args))) as [number, unknown]
      const deliveries = first(readEntries(reply[1]))
      this.#empty = deliveries.length === 0
      return { deliveries, missed: Number(reply[0]) }
    } catch (error) {
      if (isMoved(error)) this.#disconnect()
      throw error
    }
  }

  async recover(): Promise<Harvest> {
    const { gate, stream, group } = this.#options
    const [gone, entries] = (await gate.run(RECOVER, [stream], [group, this.#name, HELD])) as [Reply, Reply]
    return { deliveries: readDeliveries(entries), missed: Number(gone) }
  }

  async claim(idle: number, count: number): Promise<Harvest> {
    const { gate, stream, group } = this.#options
    const args = [group, this.#name, Math.ceil(idle), this.#cursor, count, FORGOTTEN]
    const [cursor, gone, entries] = (await gate.run(CLAIM, [stream], args)) as [Reply, Reply, Reply]
    this.#cursor = String(cursor)
    return { deliveries: readDeliveries(entries), missed: Number(gone) }
  }

  hold(ids: readonly string[]): Promise<Ownership[]> {
    return this.#hold(ids.flatMap((id) => [id, 0]))
  }

  async retake(id: string, attempt: number): Promise<Ownership> {
    const [ownership] = await this.#hold([id, attempt])
    return ownership as Ownership
  }

  async acknowledge(id: string): Promise<void> {
    const { gate, stream, group } = this.#options
    await gate.call('xack', [stream, group, id])
  }

  async bury(entry: Entry, fields: readonly string[], limit: number): Promise<void> {
    const { gate, stream, dead, group } = this.#options
    await gate.run(BURY, [stream, dead], [group, this.#name, entry.id, limit, ...fields])
  }

  async leave(tried: readonly string[]): Promise<void> {
    const { gate, stream, group } = this.#options
    await gate.run(LEAVE, [stream], [group, this.#name, GIVEN_BACK, HELD, ...tried])
  }

  interrupt(): void {
    this.#closed = true
    this.#ready?.()
    // An answer that is on its way is waited for: what it gives to a closed connection nobody would have for a while.
    unblock(this.#node, this.#connection)
    this.#farewell = setTimeout(() => this.#disconnect(), FAREWELL).unref()
  }

  close(): void {
    clearTimeout(this.#farewell)
    this.#disconnect()
  }

  async #hold(pairs: (string | number)[]): Promise<Ownership[]> {
    const { gate, stream, group } = this.#options
    const reply = (await gate.run(HOLD, [stream], [group, this.#name, ...pairs])) as number[]
    return reply.map((answer) => (answer === 1 ? 'ours' : answer === 0 ? 'stolen' : 'gone'))
  }

  /** The connection, as soon as there is one; `undefined` when it is closed before. */
  async #connected(): Promise<Wire | undefined> {
    while (!this.#closed) {
      const wire = this.#connect()
      if (wire?.ready) return wire
      await new Promise<void>((resolve) => {
        // On Cluster the slot may go elsewhere before this connection comes back.
        const timer = setTimeout(resolve, this.#options.heartbeat / 4).unref()
        this.#ready = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return undefined
  }

  #connect(): Wire | undefined {
    const { client, stream, heartbeat } = this.#options
    const node = nodeOf(client, slotOf(client, keyPrefixOf(client) + stream))
    if (node && node === this.#node && this.#wire) return this.#wire
    this.#wire?.close()
    this.#node = node
    this.#wire =
      node &&
      new Wire({
        node,
        name: 'larder-events-consumer',
        protocol: 2,
        limit: heartbeat,
        onReady: () => this.#ready?.(),
        onLost: () => {
          this.#connection = undefined
          refreshSlots(client)
        },
      })
    return this.#wire
  }

  #disconnect(): void {
    refreshSlots(this.#options.client)
    this.#wire?.close()
    this.#wire = undefined
  }
}

function first(entries: readonly Entry[]): Delivery[] {
  return entries.map((entry) => ({ entry, attempt: 1 }))
}

function readDeliveries(reply: Reply): Delivery[] {
  if (!Array.isArray(reply)) return []
  return (reply as [Reply, Reply[], Reply][]).map(([id, fields, attempt]) => ({
    entry: toEntry(String(id), fields.map(String)),
    attempt: Number(attempt),
  }))
}

async function run(redis: Redis, script: { sha: string; source: string }, args: (string | number)[]): Promise<unknown> {
  try {
    return await redis.call('EVALSHA', script.sha, ...args)
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return redis.call('EVAL', script.source, ...args)
  }
}
