import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const ENTRY = fileURLToPath(new URL('../../dist/server.js', import.meta.url))
const START_LIMIT = 30_000
const STOP_LIMIT = 5_000
const ADDRESS = /open at (http:\/\/\S+)/

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** How a process ended. */
export type Ending = { code: number | null; signal: NodeJS.Signals | null; milliseconds: number }

/** A shop in a process of its own, as `npm start` starts it. */
export class ShopProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown[]>
  #output = ''
  #errors = ''

  /** Starts one on a free port unless `environment` names one. */
  constructor(environment: NodeJS.ProcessEnv) {
    const { REDIS_URL: _redis, DATABASE_URL: _database, ...inherited } = process.env
    // tap gives every child process its own module loader, by which a shop takes three times as long to start.
    this.#child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, ENTRY], {
      env: { ...inherited, PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this.#child)
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text
    })
    this.#ended = once(this.#child, 'close').finally(() => running.delete(this.#child))
  }

  /** What it printed. */
  get output(): string {
    return this.#output
  }

  /** What it printed on stderr. */
  get errors(): string {
    return this.#errors
  }

  /** The address that it printed. Rejects with its last words when it ends first. */
  async address(): Promise<string> {
    const limit = AbortSignal.timeout(START_LIMIT)
    for (;;) {
      const found = ADDRESS.exec(this.#output)?.[1]
      if (found !== undefined) return found
      const printed = once(this.#child.stdout!, 'data', { signal: limit }) // it is a pipe
      const ended = this.#ended.then(() => Promise.reject(new Error(`the shop ended: ${this.#errors}`)))
      await Promise.race([printed, ended])
    }
  }

  /** Waits for its end. */
  async ending(): Promise<Ending> {
    const start = performance.now()
    const [code, signal] = await this.#ended
    return {
      code: code as Ending['code'],
      signal: signal as Ending['signal'],
      milliseconds: performance.now() - start,
    }
  }

  /** Ends it as Ctrl-C does; by force after 5 s. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<Ending> {
    this.#child.kill(signal)
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT)
    const ending = await this.ending()
    clearTimeout(limit)
    return ending
  }
}
