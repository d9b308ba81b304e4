import type { ChainableCommander } from 'ioredis'
import { Breaker, type Log, type RedisClient } from './breaker.js'
import { type Argument, type Caller, evaluate, type Reply } from './caller.js'
import { isCluster } from './client.js'
import { Deadlines, type Timed } from './deadlines.js'
import { RedisTimeoutError, RedisUnavailableError } from './errors.js'
import { startTrip, tellTrip } from './round-trip.js'
import type { Script } from './script.js'

/** Options of a {@link Gate}. */
export interface GateOptions {
  /** Milliseconds that a command may take before it rejects with `LARDER_REDIS_TIMEOUT` and the breaker opens. */
  readonly deadline: number
  readonly log: Log
  /**
   * Which commands go out with the one before: those of the same turn of the event loop (default), or also those that other sockets
   * cause in the same round of it: requests that arrive together share a write. The first of a round is sent at once all the same.
   */
  readonly together?: 'turn' | 'round'
}

interface Operation extends Timed {
  readonly name: string
  readonly args: Argument[]
  readonly resolve: (reply: never) => void
  readonly reject: (error: Error) => void
  readonly late: ((reply: Reply) => void) | undefined
  /** When it was sent, if anybody wants to know. */
  readonly since: number
}

/** A GET that has not been written yet, for all who ask for its key. */
class Read {
  resolve!: (value: Buffer | null) => void
  reject!: (error: unknown) => void
  readonly promise = new Promise<Buffer | null>((resolve, reject) => {
    this.resolve = resolve
    this.reject = reject
  })
}

/** Keys that one MGET is best asked for: while these are decoded, Redis answers for the next. */
export const READ_AT_ONCE = 25

/**
 * The way of one plugin's commands to Redis. A lone command is sent at once; further ones of the same turn of the event loop
 * go out together, by microtask: GETs as MGET, all others as one pipeline; nothing is held back for a reply. A GET not yet written
 * is shared by all who ask for that key. Every command rejects at the deadline; with the breaker open, at once.
 */
export class Gate implements Caller {
  readonly client: RedisClient
  readonly breaker: Breaker
  readonly deadline: number
  readonly #cluster: boolean
  /** Auto-pipelining holds a lone command back for a turn; an explicit pipeline of one does not. */
  readonly #alone: boolean
  #busy = false
  #batch: Operation[] = []
  #reads = new Map<string, Read>()
  readonly #deadlines: Deadlines<Operation>
  readonly #flushTurn = () => this.#flush()
  readonly #rounds: boolean
  /** Sends although the breaker is open: for what must be done before it closes. */
  readonly unguarded: Caller = {
    call: (name, args, late) => this.#start(name, args, late),
    run: (script, keys, args, late) => evaluate(this.unguarded, script, keys, args, late),
  }

  constructor(client: RedisClient, options: GateOptions) {
    this.client = client
    this.breaker = Breaker.acquire(client, options.log, options.deadline)
    this.deadline = options.deadline
    this.#deadlines = new Deadlines(options.deadline, (late) => this.#expire(late))
    this.#rounds = options.together === 'round'
    this.#cluster = isCluster(client)
    this.#alone = this.#cluster || !client.options.enableAutoPipelining
  }

  /** Whether Redis is asked at all. */
  get up(): boolean {
    return this.breaker.up
  }

  /** GET, joined while it has not been written; several of one turn go out as MGET, which answers them at half the expense. */
  get(key: string): Promise<Buffer | null> {
    if (!this.#busy || this.#cluster || !this.breaker.up) return this.call('get', [key]) as Promise<Buffer | null>
    let read = this.#reads.get(key)
    if (read === undefined) {
      read = new Read()
      this.#reads.set(key, read)
    }
    return read.promise
  }

  /** Any command. `late` is told of a reply that came after the deadline. */
  call(name: string, args: Argument[], late?: (reply: Reply) => void): Promise<Reply> {
    return this.breaker.up ? this.#start(name, args, late) : this.#held(name, args, late)
  }

  /** As {@link call}, never batched with others: for a large reply, while which is handled Redis makes the next one. */
  apart(name: string, args: Argument[]): Promise<Reply> {
    if (!this.breaker.up) return this.#held(name, args)
    return new Promise((resolve, reject) => {
      this.#dispatch({ name, args, resolve, reject, late: undefined, tick: 0, settled: false, since: startTrip() })
    })
  }

  /** A script, by its SHA-1; its source is sent where the server does not know it. */
  run(script: Script, keys: readonly string[], args: Argument[], late?: (reply: Reply) => void): Promise<Reply> {
    return evaluate(this, script, keys, args, late)
  }

  /** Ends the timer and the interest in the client; commands under way still settle. */
  close(): void {
    for (const operation of this.#deadlines.close())
      this.#fail(operation, new RedisUnavailableError('the plugin is closed'))
    this.breaker.release()
  }

  #start(name: string, args: Argument[], late: ((reply: Reply) => void) | undefined): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#send({ name, args, resolve, reject, late, tick: 0, settled: false, since: startTrip() })
    })
  }

  async #held(name: string, args: Argument[], late?: (reply: Reply) => void): Promise<Reply> {
    if (this.breaker.connecting) {
      await this.breaker.settled(this.deadline)
      // Nobody says that it is refused: from now on nobody waits for it.
      if (this.breaker.connecting) this.breaker.trip(`no connection within ${this.deadline} ms`)
    }
    if (!this.breaker.up) throw new RedisUnavailableError(this.breaker.reason)
    return this.call(name, args, late)
  }

  #send(operation: Operation): void {
    if (this.#busy) {
      this.#deadlines.watch(operation)
      this.#batch.push(operation)
      return
    }
    if (!this.#cluster) {
      this.#busy = true
      if (this.#rounds) setImmediate(this.#flushTurn)
      else queueMicrotask(this.#flushTurn)
    }
    this.#dispatch(operation)
  }

  #dispatch(operation: Operation): void {
    this.#deadlines.watch(operation)
    if (this.#alone) this.#sendAlone(operation)
    else this.#sendBatch([operation])
  }

  #sendAlone(operation: Operation): void {
    this.#command(this.client, operation).then(
      (reply) => this.#settle(operation, reply),
      (error) => this.#settle(operation, error),
    )
  }

  #command(client: RedisClient, { name, args }: Operation): Promise<Reply> {
    if (name === 'get') return client.getBuffer(args[0] as string)
    return client.callBuffer(name, ...args) as Promise<Reply>
  }

  #flush(): void {
    this.#busy = false
    const batch = this.#batch
    if (batch.length > 0) {
      this.#batch = []
      this.#sendBatch(batch)
    }
    if (this.#reads.size === 0) return
    const reads = [...this.#reads]
    this.#reads = new Map()
    for (let i = 0; i < reads.length; i += READ_AT_ONCE) void this.#readMany(reads.slice(i, i + READ_AT_ONCE))
  }

  async #readMany(reads: readonly [key: string, read: Read][]): Promise<void> {
    const keys = reads.map(([key]) => key)
    try {
      const values = keys.length === 1 ? [await this.apart('get', keys)] : await this.apart('mget', keys)
      reads.forEach(([, { resolve }], i) => {
        resolve((values as (Buffer | null)[])[i] as Buffer | null)
      })
    } catch (error) {
      for (const [, { reject }] of reads) reject(error)
    }
  }

  #sendBatch(batch: Operation[]): void {
    if (this.#alone && batch.length === 1) {
      this.#sendAlone(batch[0] as Operation)
      return
    }
    const pipeline = this.client.pipeline() as ChainableCommander
    for (const operation of batch) {
      if (operation.name === 'get') pipeline.getBuffer(operation.args[0] as string)
      else pipeline.callBuffer(operation.name, ...operation.args)
    }
    pipeline.exec().then(
      (replies) => {
        for (let i = 0; i < batch.length; i++) {
          const [error, reply] = replies?.[i] ?? [new Error('the pipeline was aborted'), undefined]
          this.#settle(batch[i] as Operation, error ?? (reply as Reply))
        }
      },
      (error) => {
        for (const operation of batch) this.#settle(operation, error)
      },
    )
  }

  #settle(operation: Operation, reply: Reply | Error): void {
    if (operation.settled) {
      operation.late?.(reply)
      return
    }
    if (reply instanceof Error) this.#fail(operation, this.#explain(reply))
    else {
      operation.settled = true
      operation.resolve(reply as never)
      tellTrip(this.client, operation.since)
    }
    this.#deadlines.passed()
  }

  #fail(operation: Operation, error: Error): void {
    operation.settled = true
    operation.reject(error)
    tellTrip(this.client, operation.since, error)
  }

  /** A reply that says no passes as it is; anything else means that the server was not reached. */
  #explain(error: Error): Error {
    if (error.name === 'ReplyError' && !/^(LOADING|MASTERDOWN|CLUSTERDOWN|READONLY)/.test(error.message)) return error
    this.breaker.trip(error.message)
    return new RedisUnavailableError(error.message, { cause: error })
  }

  #expire(late: readonly Operation[]): void {
    for (const operation of late) this.#fail(operation, new RedisTimeoutError(this.deadline))
    this.breaker.trip(`no answer within ${this.deadline} ms`)
  }
}
