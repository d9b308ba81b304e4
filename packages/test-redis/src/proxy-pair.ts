import { connect, type Socket } from 'node:net'

/** Which bytes a fault meets. */
export type Direction = Way | 'both'

/** One way through the proxy. */
export type Way = 'toClient' | 'toServer'

/** What happens to bytes on one way. */
export type WayMode = { fault: 'none' | 'drop' | 'hold'; delay: number }

/** What travels: bytes, the end of the stream, or the loss of the connection. */
type Parcel = { content: Buffer | 'end' | 'close'; due: number }

/** The two sockets of one proxied connection. */
export class ProxyPair {
  readonly #client: Socket
  readonly #server: Socket
  readonly #modes: Record<Way, WayMode>
  readonly #parcels: Record<Way, Parcel[]> = { toClient: [], toServer: [] }
  readonly #timers: Partial<Record<Way, NodeJS.Timeout>> = {}
  #lost = false
  #onEnd: () => void = () => {}

  constructor(client: Socket, target: { host: string; port: number }, modes: Record<Way, WayMode>) {
    this.#client = client
    this.#server = connect({ ...target, allowHalfOpen: true, noDelay: true })
    this.#modes = modes
    this.#listen(client, 'toServer')
    this.#listen(this.#server, 'toClient')
  }

  /** Calls back when both sockets are closed. */
  onEnd(callback: () => void): void {
    this.#onEnd = callback
  }

  /** Takes notice of changed modes. */
  apply(): void {
    for (const way of ['toClient', 'toServer'] as const) {
      if (this.#modes[way].fault === 'drop' && this.#parcels[way].length > 0) this.#lose(way)
    }
    // A stream with a hole in it would give a client another command's answer: no network does that.
    if (this.#lost && this.#modes.toClient.fault === 'none' && this.#modes.toServer.fault === 'none') this.reset()
    this.#deliver('toClient')
    this.#deliver('toServer')
  }

  /** Resets both sockets. */
  reset(): void {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer)
    this.#client.resetAndDestroy()
    this.#server.resetAndDestroy()
  }

  #listen(source: Socket, way: Way): void {
    source.on('data', (bytes) => this.#take(way, bytes))
    source.on('end', () => this.#take(way, 'end'))
    // 'close' follows, which is all that matters.
    source.on('error', () => {})
    source.on('close', () => {
      this.#take(way, 'close')
      if (this.#client.destroyed && this.#server.destroyed) this.#onEnd()
    })
  }

  #take(way: Way, content: Parcel['content']): void {
    const { fault, delay } = this.#modes[way]
    this.#parcels[way].push({ content, due: performance.now() + delay })
    if (fault === 'drop') this.#lose(way)
    else this.#deliver(way)
  }

  #lose(way: Way): void {
    this.#parcels[way].length = 0
    this.#lost = true
  }

  #deliver(way: Way): void {
    clearTimeout(this.#timers[way])
    const parcels = this.#parcels[way]
    const destination = way === 'toClient' ? this.#client : this.#server
    while (parcels[0] && this.#modes[way].fault === 'none') {
      const wait = parcels[0].due - performance.now()
      if (wait > 0) {
        // Timers may fire a fraction early: rounding up saves an empty round.
        this.#timers[way] = setTimeout(() => this.#deliver(way), Math.ceil(wait))
        return
      }
      const { content } = parcels.shift() as Parcel
      if (destination.destroyed) continue
      if (content === 'end') destination.end()
      else if (content === 'close') destination.destroy()
      else destination.write(content)
    }
  }
}
