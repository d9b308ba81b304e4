import { mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { type Change, Ledger } from './ledger.js'
import { SimProcess } from './process.js'
import type { Wire } from './wire.js'

/** Decides what happens next: fast-check's scheduler. */
export interface Order {
  schedule(task: Promise<unknown>, label: string): Promise<unknown>
  count(): number
  waitOne(): Promise<unknown>
}

/** Where a simulation takes place. */
export interface World {
  readonly port: number
  /** A client of the server that nobody simulates: what other programs do, and evictions. */
  readonly foreign: Redis
}

/** The keys of all entries; each bears the one tag. */
export const KEYS = ['a', 'b']

/** Milliseconds of simulated time that pass in one go. */
const SLICE = 100

let simulations = 0

/** A server, processes, a database, and what happens in an order that somebody else decides. */
export class Simulation {
  readonly namespace = `sim${process.pid}-${simulations++}`
  readonly processes: readonly SimProcess[]
  readonly ledger: Ledger
  readonly violations: string[] = []
  /** What happened. */
  readonly trace: string[] = []
  readonly foreign: Redis
  readonly #order: Order
  readonly #waiting = new Set<{ readonly by: SimProcess | undefined; readonly label: string }>()
  readonly #busy = new Set<Promise<unknown>>()
  readonly #offered = new WeakSet<object>()

  constructor({ port, foreign }: World, count: number, order: Order) {
    this.foreign = foreign
    this.#order = order
    this.processes = Array.from({ length: count }, (_, i) => new SimProcess(`P${i}`, port, this.namespace))
    this.ledger = new Ledger(this.processes, KEYS)
  }

  /** Starts all processes, in no particular order. */
  async boot(): Promise<void> {
    let ready = false
    const booting = Promise.all(this.processes.map(({ app }) => app.ready())).finally(() => {
      ready = true
    })
    while (!ready) {
      for (const wire of this.#wires()) {
        while (wire.toServer.length > 0) await this.#execute(wire)
        while (wire.toClient.length > 0) wire.deliver()
      }
      await this.#quiet()
    }
    await booting
  }

  /** Calls that wait for their answer. */
  get waiting(): string[] {
    return [...this.#waiting].filter(({ by }) => !by?.crashed).map(({ label }) => label)
  }

  /** Something happens when the order says so. */
  async later(label: string, by?: SimProcess): Promise<void> {
    await this.#order.schedule(Promise.resolve(), label)
    this.trace.push(label)
    // What a dead process was about to do never happens.
    if (by?.crashed) await new Promise(() => {})
  }

  /** A call whose answer is awaited; it never rejects. */
  call<T>(by: SimProcess, label: string, promise: Promise<T>, then: (value: T) => void): void {
    const call = { by, label }
    this.#waiting.add(call)
    promise
      .then((value) => by.crashed || then(value))
      .catch((error: unknown) => by.crashed || this.violations.push(`${label} failed: ${String(error)}`))
      .finally(() => this.#waiting.delete(call))
  }

  /** A foreign client does something, now. */
  async act(label: string, run: (redis: Redis) => Promise<unknown>, change?: Change): Promise<void> {
    this.trace.push(label)
    await this.#track(
      (async () => {
        await run(this.foreign)
        await this.#collect()
        if (change) this.ledger.done(undefined, change)
      })(),
    )
  }

  /** Lets simulated time pass. */
  async pass(milliseconds: number): Promise<void> {
    this.trace.push(`${milliseconds} ms pass`)
    for (let left = milliseconds; left > 0; left -= SLICE) {
      mock.timers.tick(SLICE)
      await this.#quiet()
    }
  }

  /** Lets one thing happen of all that can; resolves with `false` when there is none. */
  async once(): Promise<boolean> {
    await this.#quiet()
    this.#offer()
    if (this.#order.count() === 0) return false
    await this.#order.waitOne()
    await this.#quiet()
    return true
  }

  /** Lets everything happen that can. */
  async run(): Promise<void> {
    while (await this.once()) {}
  }

  /** Lets time pass until all processes are connected, all leases are over, and nobody waits. */
  async finish(): Promise<void> {
    for (const { name, wires } of this.processes) {
      for (const wire of wires) {
        if (wire.deaf) this.trace.push(`${name} network ends`)
        if (wire.deaf) wire.cut()
      }
    }
    for (let round = 0; round < 200; round++) {
      await this.run()
      const away = this.processes.some((one) => !one.crashed && !(one.namespace.trusted() && one.namespace.gate?.up))
      if (!away && this.waiting.length === 0) break
      await this.pass(SLICE)
      // By then the leases of the dead are over.
      if (round % 10 === 9) await this.#endLeases()
    }
    this.ledger.settle()
  }

  async close(): Promise<void> {
    await Promise.all(this.processes.map((one) => one.close()))
  }

  #wires(): Wire[] {
    return this.processes.flatMap(({ wires }) => [...wires])
  }

  /** Puts to choice what each connection carries next. */
  #offer(): void {
    for (const { name, wires } of this.processes) {
      for (const wire of wires) {
        if (wire.toServer.length > 0)
          this.#choice(wire.toServer, `${name} server ${wire.next}`, () => this.#execute(wire))
        if (wire.toClient.length > 0)
          this.#choice(wire.toClient, `${name} ${wire.subscribed ? 'hears' : 'reply'}`, () => this.#deliver(wire))
      }
    }
  }

  #choice(of: object, label: string, run: () => Promise<void>): void {
    if (this.#offered.has(of)) return
    this.#offered.add(of)
    void this.#order.schedule(Promise.resolve(), label).then(() => {
      this.#offered.delete(of)
      this.trace.push(label)
      return this.#track(run())
    })
  }

  async #execute(wire: Wire): Promise<void> {
    if (!wire.open || wire.toServer.length === 0) return
    await wire.execute()
    await this.#collect()
  }

  async #deliver(wire: Wire): Promise<void> {
    wire.deliver()
  }

  async #collect(): Promise<void> {
    await Promise.all(this.#wires().map((wire) => wire.collect()))
  }

  #track(promise: Promise<unknown>): Promise<unknown> {
    this.#busy.add(promise)
    return promise.finally(() => this.#busy.delete(promise))
  }

  /** What follows at once from what happened, has happened. */
  async #quiet(): Promise<void> {
    do {
      await Promise.all(this.#busy)
      await turn()
      await turn()
    } while (this.#busy.size > 0)
    this.ledger.look()
  }

  async #endLeases(): Promise<void> {
    const over: string[] = []
    for (const key of KEYS) {
      const entry = `${this.namespace}:v:{${key}}`
      const held = await this.foreign.getBuffer(entry)
      if (held?.length === 18) over.push(entry)
      over.push(`${this.namespace}:l:{${key}}`)
    }
    await this.act('leases end', (redis) => redis.del(...over))
  }
}
