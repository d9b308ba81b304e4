import { createConnection, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import { command, Values, wordsOf } from './resp.js'

/*
 * The connections of simulated processes: ioredis writes to a stream in this process, and what it writes reaches a real Redis, and the
 * answer ioredis, when the test says so. What runs on one connection keeps its order, as TCP does; what runs on two does not.
 */

/** What a {@link Wire} carries to its client: a reply, a message of the feed, or a note for the test, read when it gets there. */
export type Parcel = Buffer | (() => void)

/** The end of a connection that ioredis holds. */
class ClientEnd extends Duplex {
  readonly connecting = false
  readonly #values = new Values()
  readonly #onCommand: (command: Buffer) => void

  constructor(onCommand: (command: Buffer) => void) {
    super()
    this.#onCommand = onCommand
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    for (const one of this.#values.take(bytes)) this.#onCommand(one)
    done()
  }

  override _final(done: () => void): void {
    done()
    this.destroy()
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  setTimeout(): this {
    return this
  }
}

/** One connection of a simulated process. */
export class Wire {
  readonly stream: Duplex
  readonly toServer: Buffer[] = []
  readonly toClient: Parcel[] = []
  /** Whether it hears of changes: its SUBSCRIBE was executed. */
  subscribed = false
  /** Whether the client knows that it was. */
  listening = false
  /** Whether bytes are swallowed, and nobody learns of it. */
  deaf = false
  open = true
  readonly #server: Socket
  readonly #values = new Values()
  #reply: ((value: Buffer) => void) | undefined
  #markers = 0

  constructor(port: number, onEnd: (wire: Wire) => void) {
    this.stream = new ClientEnd((one) => this.open && !this.deaf && this.toServer.push(one))
    this.stream.on('close', () => {
      this.open = false
      this.#server.destroy()
      this.#reply?.(Buffer.alloc(0))
      onEnd(this)
    })
    this.#server = createConnection({ port, host: '127.0.0.1', noDelay: true })
    this.#server.on('error', () => {})
    this.#server.on('data', (bytes) => {
      for (const value of this.#values.take(bytes)) this.#take(value)
    })
  }

  /** What the next command is. */
  get next(): string {
    return wordsOf(this.toServer[0] as Buffer)[0]?.toLowerCase() ?? ''
  }

  /** The server executes the next command. */
  async execute(): Promise<void> {
    const one = this.toServer.shift() as Buffer
    if (/^subscribe$/i.test(wordsOf(one)[0] ?? '')) this.subscribed = true
    const reply = await this.#ask(one)
    if (this.open && !this.deaf) this.toClient.push(reply)
  }

  /** Fetches what the server has told until now. */
  async collect(): Promise<void> {
    if (this.subscribed && this.open) await this.#ask(command('PING', `marker ${this.#markers++}`))
  }

  /** The client gets what comes next. */
  deliver(): void {
    const parcel = this.toClient.shift()
    if (Buffer.isBuffer(parcel)) {
      if (parcel.includes('$9\r\nsubscribe\r\n')) this.listening = true
      this.stream.push(parcel)
    } else if (typeof parcel === 'function') parcel()
  }

  /** Swallows whatever is under way and whatever is sent from now on. */
  deafen(): void {
    this.deaf = true
    this.toServer.length = 0
    this.toClient.length = 0
  }

  /** The connection is lost, with all that is under way. */
  cut(): void {
    this.open = false
    this.toServer.length = 0
    this.toClient.length = 0
    this.stream.destroy()
  }

  #ask(one: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      if (!this.open) return resolve(Buffer.alloc(0))
      this.#reply = resolve
      this.#server.write(one)
    })
  }

  #take(value: Buffer): void {
    if (value.subarray(0, 15).includes('message')) {
      if (this.open && !this.deaf) this.toClient.push(value)
      return
    }
    this.#reply?.(value)
  }
}

/** The class by which ioredis gets its connections from a test. */
export function connectorOf(connect: () => Wire): NonNullable<RedisOptions['Connector']> {
  class Connector extends AbstractConnector {
    constructor() {
      super(0)
    }

    override connect(): Promise<never> {
      this.connecting = true
      const { stream } = connect()
      this.stream = stream as never
      return Promise.resolve(stream as never)
    }
  }
  return Connector
}
