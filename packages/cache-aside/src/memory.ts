import type { Namespace } from '@larder/core'
import type { Copy } from './copy.js'
import { type Bounds, Fifo } from './fifo.js'

/** What a copy takes beside its value: measured, see `bench/`. */
const OVERHEAD = 600
/** Parsed JSON takes about this much of its text. */
const INFLATION = 2

/** Of the draws for an early refresh, `-ln(random)`, one in 500 million is greater: before that a hit need not draw. */
const EARLIEST = 20

/** The copies that this process keeps. */
export class Memory {
  readonly copies: Fifo<Copy>
  readonly #ttl: number
  readonly #namespace: Namespace

  constructor(namespace: Namespace, options: Bounds & { ttl: number }, onEvict?: () => void) {
    this.#namespace = namespace
    this.#ttl = options.ttl
    this.copies = new Fifo(options, onEvict)
  }

  /** Keeps a copy that was read, or stored, while `connection` stood. `eager`: the beta of its early refresh. */
  keep(key: string, copy: Copy, connection: number, checked: number, eager: number): void {
    const now = this.#namespace.clock.now()
    copy.connection = connection
    copy.checked = checked
    copy.keptUntil = now + this.#ttl
    const early = copy.freshUntil - EARLIEST * eager * copy.loadMs
    copy.until = copy.promise ? Math.floor(Math.min(early - this.#namespace.offset, copy.keptUntil)) : -1
    this.copies.set(key, copy, INFLATION * copy.bytes + 2 * key.length + OVERHEAD)
  }
}
