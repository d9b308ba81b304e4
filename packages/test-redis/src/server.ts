import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findServerBinary } from './binary.js'
import { RedisEndpoint } from './endpoint.js'
import { FakeClock } from './fake-clock.js'
import { GuardedProcess } from './guarded-process.js'
import { freePort, type PortUse } from './port.js'

/** What {@link startRedis} takes. */
export type RedisServerOptions = {
  /** Further arguments, such as `['--maxmemory', '8mb']`. */
  args?: string[]
  /** The port. Default: a free one. */
  port?: number
  /** What a free port is for. Default `'server'`. */
  portUse?: PortUse
  /** Writes configuration into the server's folder and returns the arguments that name it. Default: none. */
  configure?: (folder: string, port: number) => string[]
  /** Makes the clock one that {@link RedisServer.setClock} can set; see `findFaketime`. Default `false`. */
  ownClock?: boolean
}

const HOST = '127.0.0.1'
const START_LIMIT = 10_000
const START_ATTEMPTS = 5
const LOG_LENGTH = 4000
/** `setClock` is content with this much, in milliseconds: the answer counts whole seconds, and may take a while. */
const CLOCK_GRAIN = 10_000
/** A server says the first, a Sentinel the second, after it has bound its port. */
const READY = /Ready to accept connections|Sentinel ID is/
const PORT_TAKEN = /Address already in use|Failed listening on port|bind:/i

const folders = new Set<string>()
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/**
 * Starts a real Redis server on a free port of 127.0.0.1 that keeps nothing on disk. It ends with this process.
 *
 * @throws Error with the server's last words when it does not start
 * @example
 * const server = await startRedis()
 * t.teardown(() => server.stop())
 * const redis = server.client()
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(options.portUse))
    const server = new RedisServer(port, options)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.stop()
      const taken = options.port === undefined && PORT_TAKEN.test(server.log)
      if (!taken || attempt === START_ATTEMPTS) throw error
    }
  }
}

/** A Redis server of one's own, to count, stop, kill and suspend. */
export class RedisServer extends RedisEndpoint implements AsyncDisposable {
  readonly #options: RedisServerOptions
  readonly #folder: string
  readonly #clock: FakeClock | undefined
  #process: GuardedProcess | undefined
  #log = ''

  /** Use {@link startRedis}. */
  constructor(port: number, options: RedisServerOptions) {
    super(HOST, port)
    this.#options = options
    this.#folder = mkdtempSync(join(tmpdir(), 'larder-redis-'))
    folders.add(this.#folder)
    if (options.ownClock) this.#clock = new FakeClock(this.#folder)
  }

  /** The last lines that the server printed. */
  get log(): string {
    return this.#log
  }

  /** The server's process id. */
  get pid(): number {
    return this.#current().pid
  }

  /** Starts the server where it was, empty. Only after `kill()`: a new server is started already. */
  async start(): Promise<void> {
    if (this.#process?.running) return
    const { configure, args = [] } = this.#options
    const config = configure ? configure(this.#folder, this.port) : []
    const settings = ['--port', String(this.port), '--bind', HOST, '--dir', this.#folder]
    const persistence = configure ? [] : ['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0']
    let heard = () => {}
    const ready = new Promise<void>((resolve) => {
      heard = resolve
    })
    this.#log = ''
    this.forgetCounts()
    this.#process = await GuardedProcess.start({
      command: [...(this.#clock?.command ?? []), findServerBinary(), ...config, ...settings, ...persistence, ...args],
      folder: this.#folder,
      onOutput: (text) => {
        this.#log = (this.#log + text).slice(-LOG_LENGTH)
        if (READY.test(this.#log)) heard()
      },
    })
    await this.#until(ready, this.#process)
  }

  /**
   * Sets the server's clock so many milliseconds before (negative) or after the time of this machine: what it says by `TIME`, and what
   * it lets keys expire by. Only with `ownClock`.
   *
   * @throws Error when the server does not follow
   */
  async setClock(offset: number): Promise<void> {
    if (!this.#clock) throw new Error('Only a server with `ownClock` can be set')
    this.#clock.set(offset)
    const [seconds] = await this.cli<[string, string]>('TIME')
    const apart = Number(seconds) * 1000 - Date.now() - offset
    if (Math.abs(apart) > CLOCK_GRAIN) throw new Error(`The server's clock is ${apart} ms from what it was set to`)
  }

  /** Ends the server as its operator would (SIGTERM), and closes the clients that {@link client} made. */
  async stop(): Promise<void> {
    this.closeClients()
    await this.#end('SIGTERM')
    rmSync(this.#folder, { recursive: true, force: true })
    folders.delete(this.#folder)
  }

  /** Ends the server at once (SIGKILL). Its clients stay and reconnect after {@link restart}. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Ends the server at once, if it still runs, and starts it again on the same port, empty. */
  async restart(): Promise<void> {
    await this.kill()
    await this.start()
  }

  /** Suspends the server: connections stay open and are accepted, nothing is answered. */
  async pause(): Promise<void> {
    await this.#current().pause()
  }

  /** Lets a suspended server run on; it answers what was sent meanwhile. */
  resume(): void {
    this.#current().resume()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.end(signal)
    if (this.#process) this.#clock?.forget(this.#process.pid)
  }

  #current(): GuardedProcess {
    if (!this.#process) throw new Error('The server was not started')
    return this.#process
  }

  async #until(ready: Promise<void>, running: GuardedProcess): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const failed = new Promise<never>((_, reject) => {
      const fail = (what: string) => reject(new Error(`The Redis server ${what}. It said:\n${this.#log}`))
      timer = setTimeout(fail, START_LIMIT, `is not ready after ${START_LIMIT} ms`)
      running.exited.then(({ code }) => fail(`ended with code ${code}`))
    })
    // Nothing else may keep this process alive: the timer above does, until the server is ready.
    failed.catch(() => {})
    try {
      await Promise.race([ready, failed])
    } finally {
      clearTimeout(timer)
    }
  }
}
