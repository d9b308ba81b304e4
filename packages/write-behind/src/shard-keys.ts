import { escapeKey } from '@larder/core'
import type { ShardOptions } from './store.js'

/** The keys of a shard, all in one slot. */
export class ShardKeys {
  readonly lease: string
  readonly taken: string
  readonly state: string
  readonly writers: string
  readonly letters: string
  /** Of one process. */
  readonly latch: string
  readonly #base: string
  readonly #sums: boolean

  constructor(namespace: string, { name, shard, coalesce }: ShardOptions, process: string) {
    this.#base = `${namespace}:behind-${coalesce}:{${escapeKey(name)}:${shard}}`
    this.#sums = coalesce === 'sum'
    this.lease = `${this.#base}:lease`
    this.taken = `${this.#base}:taken`
    this.state = `${this.#base}:state`
    this.writers = `${this.#base}:writers`
    this.letters = `${this.#base}:letters`
    this.latch = `${this.#base}:latch:${process}`
  }

  /** What waits; of sums, in this generation. */
  readonly live = (generation: string): string =>
    this.#sums ? `${this.#base}:live:${generation}` : `${this.#base}:live`

  /** The entries of a dead letter. */
  letter(id: string): string {
    return `${this.#base}:letter:${id}`
  }
}
