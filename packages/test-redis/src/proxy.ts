import { createServer, type Server, type Socket } from 'node:net'
import { freePort } from './port.js'
import { type Direction, ProxyPair, type Way, type WayMode } from './proxy-pair.js'

const HOST = '127.0.0.1'
const START_ATTEMPTS = 5

/**
 * Starts a TCP proxy before a server, that breaks the network on demand.
 *
 * @example
 * const proxy = await startProxy(server)
 * t.teardown(() => proxy.stop())
 * const redis = new Redis(proxy.url)
 * proxy.drop()
 */
export async function startProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  for (let attempt = 1; ; attempt++) {
    const proxy = new TcpProxy(target, await freePort())
    try {
      await proxy.restore()
      return proxy
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === START_ATTEMPTS) throw error
    }
  }
}

/** A network between clients and a server that can be broken and mended. */
export class TcpProxy implements AsyncDisposable {
  readonly host: string = HOST
  readonly port: number
  readonly #target: { host: string; port: number }
  readonly #server: Server
  readonly #pairs = new Set<ProxyPair>()
  readonly #modes: Record<Way, WayMode> = {
    toClient: { fault: 'none', delay: 0 },
    toServer: { fault: 'none', delay: 0 },
  }
  #accepted = 0

  /** Use {@link startProxy}. */
  constructor(target: { host: string; port: number }, port: number) {
    this.port = port
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  /** `redis://host:port`. */
  get url(): string {
    return `redis://${this.host}:${this.port}`
  }

  /** How many connections are open now. */
  get connections(): number {
    return this.#pairs.size
  }

  /** How many connections were ever accepted. */
  get accepted(): number {
    return this.#accepted
  }

  /**
   * Swallows whatever is sent, and no side learns of it: connections stay open, new ones are accepted. Bytes are
   * lost for good, so {@link restore} resets the connections that lost any, as a router does that forgot them.
   *
   * @param direction - which bytes. Default both
   */
  drop(direction: Direction = 'both'): void {
    this.#set(direction, { fault: 'drop' })
  }

  /**
   * Keeps back whatever is sent, until {@link restore} delivers it in order, as TCP does after a short outage.
   *
   * @param direction - which bytes. Default both
   */
  hold(direction: Direction = 'both'): void {
    this.#set(direction, { fault: 'hold' })
  }

  /**
   * Delivers everything sent from now on later.
   *
   * @param milliseconds - how much later; 0 ends it
   * @param direction - which bytes. Default those to the client: an answer takes this much longer
   */
  delay(milliseconds: number, direction: Direction = 'toClient'): void {
    this.#set(direction, { delay: milliseconds })
  }

  /** Resets all connections of now. New ones are accepted. */
  cut(): void {
    for (const pair of this.#pairs) pair.reset()
  }

  /** Refuses new connections until {@link restore}. Those of now stay. */
  refuse(): void {
    this.#server.close()
  }

  /** Ends `drop`, `hold`, `delay` and `refuse`. */
  async restore(): Promise<void> {
    this.#set('both', { fault: 'none', delay: 0 })
    if (this.#server.listening) return
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.port, this.host, () => {
        this.#server.off('error', reject)
        // A test that forgets the proxy must still end.
        this.#server.unref()
        resolve()
      })
    })
  }

  /** Ends the proxy and all its connections. */
  async stop(): Promise<void> {
    this.cut()
    if (this.#server.listening) this.#server.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #set(direction: Direction, mode: Partial<WayMode>): void {
    if (direction !== 'toServer') Object.assign(this.#modes.toClient, mode)
    if (direction !== 'toClient') Object.assign(this.#modes.toServer, mode)
    for (const pair of this.#pairs) pair.apply()
  }

  #accept(client: Socket): void {
    this.#accepted++
    const pair = new ProxyPair(client, this.#target, this.#modes)
    this.#pairs.add(pair)
    pair.onEnd(() => this.#pairs.delete(pair))
  }
}
