import { randomBytes } from 'node:crypto'
import { type Argument, type Gate, loadScript, type Reply, type Script } from '@larder/core'
import { UnavailableError } from './errors.js'
import { beginning, LatchWriter } from './latch-writer.js'
import { ShardKeys } from './shard-keys.js'
import type { Entry, How, Outcome, RawBatch, RawLetter, Shard, ShardOptions, Taken, Written } from './store.js'
import { SumWriter } from './sum-writer.js'

const READ = loadScript(import.meta.url, './read.lua')
const TAKE = loadScript(import.meta.url, './take.lua')
const RENEW = loadScript(import.meta.url, './renew.lua')
const SETTLE = loadScript(import.meta.url, './settle.lua')
const ENTRIES = loadScript(import.meta.url, './entries.lua')
const DISCARD = loadScript(import.meta.url, './discard.lua')
const REPLAY = loadScript(import.meta.url, './replay.lua')

/** A shard in Redis. */
export class RedisShard implements Shard {
  readonly #gate: Gate
  readonly #keys: ShardKeys
  readonly #options: ShardOptions
  readonly #process: string
  readonly #sums: SumWriter | undefined
  readonly #writer: SumWriter | LatchWriter
  /** The generation that waits, as last heard. */
  #generation = ''

  constructor(gate: Gate, namespace: string, process: string, options: ShardOptions) {
    this.#gate = gate
    this.#process = process
    this.#options = options
    this.#keys = new ShardKeys(namespace, options, process)
    const { coalesce, every } = options
    this.#sums = coalesce === 'sum' ? new SumWriter(gate, this.#keys, process, every) : undefined
    this.#writer = this.#sums ?? new LatchWriter(gate, this.#keys, coalesce, every)
  }

  get up(): boolean {
    return this.#gate.up || this.#gate.breaker.connecting
  }

  onUp(listener: () => void): () => void {
    return this.#gate.breaker.onChange((up) => up && listener())
  }

  write(entries: readonly Entry[], limit: number): Promise<Written> {
    return this.#writer.write(entries, limit)
  }

  async read(key: string): Promise<string[]> {
    const { taken, state, writers } = this.#keys
    const { coalesce } = this.#options
    const reply = await this.#current(undefined, (live, generation) =>
      this.#run(READ, [live, taken, state, writers], [coalesce, generation, key, beginning(key)]),
    )
    const values = reply.slice(1).map(String)
    return coalesce === 'all' ? values.map((text) => text.slice(beginning(key).length, -1)) : values
  }

  async take(how: How): Promise<Taken> {
    const { lease, taken, state, writers } = this.#keys
    const args = [this.#process, this.#options.lease, how, randomBytes(9).toString('base64url')]
    const reply = await this.#current(this.#sums?.orphan, (live, generation) =>
      this.#run(TAKE, [lease, live, taken, state, writers], [this.#options.coalesce, generation, ...args]),
    )
    const [answer, goal, done, dead, wait, id, number, attempt, fence, entries] = reply
    const progress = { goal: Number(goal), done: Number(done), dead: Number(dead) }
    if (String(answer) !== 'batch')
      return { state: String(answer) as 'idle' | 'busy' | 'later', wait: Number(wait), ...progress }
    const raw = (entries as Reply[]).map(String)
    const counts = { number: Number(number), attempt: Number(attempt), fence: Number(fence) }
    const batch = { id: String(id), ...counts, entries: raw }
    return { state: 'batch', batch, ...progress }
  }

  async renew(batch: RawBatch): Promise<boolean> {
    return (await this.#run(RENEW, [this.#keys.lease], [this.#grant(batch), this.#options.lease])) === 1
  }

  async settle(batch: RawBatch, outcome: Outcome): Promise<boolean> {
    const { lease, taken, state, letters } = this.#keys
    let detail: string | number = ''
    if (outcome.state === 'failed') detail = outcome.retryIn
    else if (outcome.state === 'dead') detail = JSON.stringify({ attempts: batch.attempt, error: outcome.error })
    const keys = [lease, taken, state, letters, this.#keys.letter(batch.id)]
    return (await this.#run(SETTLE, keys, [this.#grant(batch), batch.id, outcome.state, detail])) === 1
  }

  async letters(): Promise<RawLetter[]> {
    const reply = (await this.#run(ENTRIES, [this.#keys.letters], ['letters'])) as Reply[]
    const letters: RawLetter[] = []
    for (let i = 0; i < reply.length; i += 2) {
      const id = String(reply[i])
      const text = String(reply[i + 1])
      const brace = text.indexOf('{')
      const key = this.#keys.letter(id)
      const entries = (await this.#run(ENTRIES, [key], [this.#options.coalesce])) as Reply[]
      const details: { attempts: number; error: string } = JSON.parse(text.slice(brace))
      // One without entries was replayed or discarded meanwhile.
      if (entries.length > 0)
        letters.push({ id, ...details, failedAt: Number(text.slice(0, brace)), entries: entries.map(String) })
    }
    return letters
  }

  async replay(id: string): Promise<'replayed' | 'busy' | 'unknown'> {
    const { taken, state, letters } = this.#keys
    const reply = await this.#run(REPLAY, [taken, state, letters, this.#keys.letter(id)], [id])
    return reply === 1 ? 'replayed' : reply === 0 ? 'unknown' : 'busy'
  }

  async discard(id: string): Promise<boolean> {
    return (await this.#run(DISCARD, [this.#keys.letters, this.#keys.letter(id)], [id])) === 1
  }

  close(): void {}

  async #run(script: Script, keys: string[], args: Argument[]): Promise<Reply> {
    try {
      return await this.#gate.run(script, keys, args)
    } catch (cause) {
      throw new UnavailableError(this.#options.name, (cause as Error).message, { cause })
    }
  }

  #grant({ fence }: RawBatch): string {
    return `${this.#process}:${fence}`
  }

  /** Asks about the generation that is current; first about one that was left behind, while there is one. */
  async #current(
    orphan: string | undefined,
    ask: (live: string, generation: string) => Promise<Reply>,
  ): Promise<Reply[]> {
    if (orphan !== undefined) {
      const reply = (await ask(this.#keys.live(orphan), orphan)) as Reply[]
      if (String(reply[0]) !== 'moved') return reply
      if (this.#sums) this.#sums.orphan = undefined
    }
    // A Redis that lost its data knows no generation: then the one that this process writes to is as good as any.
    let own = this.#sums?.generation ?? ''
    for (;;) {
      const reply = (await ask(this.#keys.live(this.#generation), this.#generation)) as Reply[]
      if (String(reply[0]) !== 'moved') return reply
      this.#generation = String(reply[1])
      if (this.#generation !== '') continue
      this.#generation = own
      own = ''
    }
  }
}
