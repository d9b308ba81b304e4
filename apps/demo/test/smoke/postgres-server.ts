import { createServer, type Server, type Socket } from 'node:net'
import type { PGlite } from '@electric-sql/pglite'

const SSL_REQUEST = 80_877_103
/** The answers to what these messages end are complete: Query, and Sync after an extended query. */
const ENDS_UNIT = new Set(['Q', 'S'])
const TERMINATE = 'X'
const IDLE = 'I'

type Unit = { socket: Socket; message: Buffer }

/**
 * Lets several processes use one PGlite as if it were a PostgreSQL server. A PGlite is one connection: whole queries take turns,
 * and a transaction keeps the turn until it ends. (`@electric-sql/pglite-socket` lets single messages take turns, so that two
 * clients overwrite each other's unnamed statement between its Parse and its Bind.)
 */
export class PostgresServer implements AsyncDisposable {
  readonly #pglite: PGlite
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #units: Unit[] = []
  #owner: Socket | undefined
  #running = false
  /** Called when a query has run and nobody knows it yet; its client is answered when the promise is settled. */
  onQuery: ((messages: string) => Promise<void>) | undefined

  private constructor(pglite: PGlite) {
    this.#pglite = pglite
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /** Serves `pglite` on `port`, or a free one. */
  static async start(pglite: PGlite, port = 0): Promise<PostgresServer> {
    const server = new PostgresServer(pglite)
    await new Promise<void>((resolve) => server.#server.listen(port, '127.0.0.1', resolve))
    return server
  }

  /** What to connect to. */
  get url(): string {
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the server is stopped')
    return `postgres://postgres@127.0.0.1:${address.port}/postgres`
  }

  /** Ends all connections; the PGlite stays open. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    let received = Buffer.alloc(0)
    let started = false
    let unit: Buffer[] = []
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => void this.#leave(socket))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      for (;;) {
        const header = started ? 1 : 0
        if (received.length < header + 4) return
        const length = header + received.readInt32BE(header)
        if (received.length < length) return
        const message = received.subarray(0, length)
        received = received.subarray(length)
        if (!started) {
          if (message.readInt32BE(4) === SSL_REQUEST) socket.write('N')
          else {
            started = true
            this.#enqueue({ socket, message })
          }
          continue
        }
        const type = String.fromCharCode(message[0]!) // a started connection's message has a type
        if (type === TERMINATE) {
          socket.end()
          return
        }
        unit.push(message)
        if (!ENDS_UNIT.has(type)) continue
        this.#enqueue({ socket, message: Buffer.concat(unit) })
        unit = []
      }
    })
  }

  #enqueue(unit: Unit): void {
    this.#units.push(unit)
    void this.#run()
  }

  async #run(): Promise<void> {
    if (this.#running) return
    this.#running = true
    for (;;) {
      const index = this.#owner ? this.#units.findIndex(({ socket }) => socket === this.#owner) : 0
      const unit = this.#units[index]
      if (unit === undefined) break
      this.#units.splice(index, 1)
      const answer = await this.#pglite.execProtocolRaw(unit.message, { syncToFs: false })
      if (this.onQuery) await this.onQuery(unit.message.toString())
      // The last message says whether a transaction is open: ReadyForQuery with I, T or E.
      const status = String.fromCharCode(answer.at(-1) ?? 0)
      this.#owner = status === IDLE ? undefined : unit.socket
      if (this.#sockets.has(unit.socket)) unit.socket.write(answer)
      else await this.#rollBack(unit.socket) // it left while its query ran
    }
    this.#running = false
  }

  /** Ends the transaction of a client that is gone. */
  async #rollBack(socket: Socket): Promise<void> {
    if (this.#owner !== socket) return
    await this.#pglite.exec('ROLLBACK')
    this.#owner = undefined
  }

  async #leave(socket: Socket): Promise<void> {
    this.#sockets.delete(socket)
    this.#units = this.#units.filter((unit) => unit.socket !== socket)
    if (this.#running) return
    await this.#rollBack(socket)
    await this.#run()
  }
}
