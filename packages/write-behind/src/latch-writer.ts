import { type Gate, loadScript, type Reply } from '@larder/core'
import type { ShardKeys } from './shard-keys.js'
import type { Coalesce, Entry, Written } from './store.js'

const PUT = loadScript(import.meta.url, './latch.lua', './put.lua')
const APPEND = loadScript(import.meta.url, './latch.lua', './append.lua')

/** Writes values, of which the last one or all count, by a script that knows a frame that it has written before. */
export class LatchWriter {
  readonly #gate: Gate
  readonly #keys: [live: string, state: string, latch: string]
  readonly #coalesce: Coalesce
  readonly #every: number
  #frame = 0
  #doubted: readonly Entry[] | undefined

  constructor(gate: Gate, keys: ShardKeys, coalesce: Coalesce, every: number) {
    this.#gate = gate
    this.#keys = [keys.live(''), keys.state, keys.latch]
    this.#coalesce = coalesce
    this.#every = every
  }

  async write(entries: readonly Entry[], limit: number): Promise<Written> {
    if (this.#doubted !== entries) this.#frame++
    this.#doubted = entries
    const all = this.#coalesce === 'all'
    const values = entries.flatMap(({ key, value }) => (all ? [wrap(key, value)] : [key, value]))
    const args = [this.#frame, limit, this.#every, ...values]
    const reply = (await this.#gate.run(all ? APPEND : PUT, this.#keys, args)) as Reply[]
    this.#doubted = undefined
    const [answer, ...details] = reply.map(String)
    if (answer === 'full') return { state: 'full', refused: details.map(Number) }
    return { state: 'stored', size: Number(details[0]) }
  }
}

/** JSON of key and value, from the JSON of the value. */
function wrap(key: string, json: number | string): string {
  return `${beginning(key)}${json}]`
}

/** What the entries of a key begin with. */
export function beginning(key: string): string {
  return `[${JSON.stringify(key)},`
}
