import { type Gate, loadScript } from '@larder/core'
import { readEntries } from './entries.js'
import { START } from './entry-id.js'
import { type Grave, type Graveyard, HEADER } from './store.js'

const REPLAY = loadScript(import.meta.url, './replay.lua')

/** Dead letters of a group in Redis: a stream of their own, in the slot of the stream that they come from. */
export class RedisGraveyard implements Graveyard {
  readonly #gate: Gate
  readonly #stream: string
  readonly #dead: string
  readonly #group: string

  constructor(gate: Gate, { stream, dead, group }: { stream: string; dead: string; group: string }) {
    this.#gate = gate
    this.#stream = stream
    this.#dead = dead
    this.#group = group
  }

  async list(after: string, count: number): Promise<Grave[]> {
    return readEntries(
      await this.#gate.call('xrange', [this.#dead, after === START ? '-' : `(${after}`, '+', 'COUNT', count]),
    )
  }

  async replay(ids: readonly string[], maxLength: number): Promise<number> {
    if (ids.length === 0) return 0
    const args = [this.#group, maxLength, HEADER.length, ...ids]
    return Number(await this.#gate.run(REPLAY, [this.#stream, this.#dead], args))
  }

  async discard(ids: readonly string[]): Promise<number> {
    return ids.length === 0 ? 0 : Number(await this.#gate.call('xdel', [this.#dead, ...ids]))
  }

  async count(): Promise<number> {
    return Number(await this.#gate.call('xlen', [this.#dead]))
  }
}
