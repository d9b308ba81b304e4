import { fileURLToPath } from 'node:url'
import { GuardedProcess } from './guarded-process.js'
import { fromPlain, type Request, type Response } from './worker-message.js'
import type { WorkerMethods } from './worker-service.js'

/** What {@link startWorker} takes. */
export type WorkerOptions = {
  /** Environment variables besides this process's. */
  env?: NodeJS.ProcessEnv
  /** Arguments of Node itself, such as `['--expose-gc']`. */
  execArgv?: string[]
}

/** The methods of a worker whose types were not given. */
export type AnyMethods = Record<string, (...args: unknown[]) => unknown>

type Waiting = { resolve: (value: never) => void; reject: (error: Error) => void }

const START_LIMIT = 30_000
const STOP_LIMIT = 5000
const OUTPUT_LENGTH = 4000

/**
 * Starts a second real Node process that answers calls by `serveWorker`; resolves when it does. It ends with
 * this process. What it prints goes to standard error.
 *
 * @example
 * const worker = await startWorker<Methods>(new URL('./worker.js', import.meta.url), { env: { REDIS: server.url } })
 * t.teardown(() => worker.stop())
 * t.equal(await worker.call('get', 'key'), 1)
 */
export async function startWorker<Methods extends WorkerMethods = AnyMethods>(
  file: URL,
  options: WorkerOptions = {},
): Promise<Worker<Methods>> {
  let output = ''
  let ready = false
  const guarded = await GuardedProcess.start({
    command: [process.execPath, ...(options.execArgv ?? []), fileURLToPath(file)],
    env: { ...process.env, ...options.env },
    ipc: 'advanced',
    onOutput: (text) => {
      output = (output + text).slice(-OUTPUT_LENGTH)
      if (ready) process.stderr.write(text)
    },
  })
  leaveAtOnce()
  const worker = new Worker<Methods>(guarded, () => output)
  await worker.ready()
  // What it said before is part of the error if it does not get ready.
  ready = true
  process.stderr.write(output)
  return worker
}

let leaving = false

/**
 * Ends this process as soon as everybody has done what is to be done at exit. Node 20 goes on to take down its handles, and spins
 * there for ever once in a while after a channel to a stopped child was cut.
 */
function leaveAtOnce(): void {
  if (leaving) return
  leaving = true
  const { reallyExit } = process as unknown as { reallyExit(code: number): never }
  process.once('exit', (code) => reallyExit(Number(process.exitCode ?? code)))
}

/** Another process of the test. */
export class Worker<Methods extends WorkerMethods = AnyMethods> implements AsyncDisposable {
  readonly #process: GuardedProcess
  readonly #output: () => string
  readonly #calls = new Map<number, Waiting>()
  readonly #events = new Map<string, { values: unknown[]; waiting: Waiting[] }>()
  readonly #ready: Promise<void>
  #lastCall = 0
  #ending = false
  #failure: Error | undefined

  /** Use {@link startWorker}. */
  constructor(guarded: GuardedProcess, output: () => string) {
    this.#process = guarded
    this.#output = output
    this.#ready = new Promise((resolve, reject) => {
      guarded.channel.on('message', (response: Response) => {
        if (response.kind === 'ready') resolve()
        else this.#hear(response)
      })
      guarded.exited.then(({ code }) => {
        this.#end(code)
        reject(this.#failure ?? new Error('The worker ended before it was ready'))
      })
    })
    this.#ready.catch(() => {})
  }

  /** The worker's process id. */
  get pid(): number {
    return this.#process.pid
  }

  /** Resolves when the worker answers calls. */
  async ready(): Promise<void> {
    this.#keepAwake(this.#ready)
    const timer = setTimeout(() => this.#process.signal('SIGKILL'), START_LIMIT)
    await this.#ready.finally(() => clearTimeout(timer))
  }

  /** Calls a method of the worker. Rejects with the error that it throws, or with why it ended. */
  call<Name extends keyof Methods & string>(
    method: Name,
    ...args: Parameters<Methods[Name]>
  ): Promise<Awaited<ReturnType<Methods[Name]>>> {
    const id = ++this.#lastCall
    const answer = new Promise<Awaited<ReturnType<Methods[Name]>>>((resolve, reject) => {
      if (!this.#process.running) throw this.#ended()
      this.#calls.set(id, { resolve, reject })
      this.#send({ kind: 'call', id, method, args })
    })
    this.#keepAwake(answer)
    return answer
  }

  /** Resolves with the next value that the worker notified under this name, or already did. */
  next<Value = unknown>(event: string): Promise<Value> {
    const { values, waiting } = this.#queue(event)
    if (values.length > 0) return Promise.resolve(values.shift() as Value)
    const value = new Promise<Value>((resolve, reject) => {
      if (!this.#process.running) throw this.#ended()
      waiting.push({ resolve, reject })
    })
    this.#keepAwake(value)
    return value
  }

  /** Ends the worker by a signal; resolves when it has ended. Its calls reject. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#ending = true
    await this.#process.end(signal)
  }

  /** Suspends the worker, as a long garbage collection or a full machine would. */
  async pause(): Promise<void> {
    await this.#process.pause()
  }

  /** Lets a suspended worker run on. */
  resume(): void {
    this.#process.resume()
  }

  /**
   * Ends the worker after its `onStop`.
   *
   * @throws what made the worker crash before, if anything
   */
  async stop(): Promise<void> {
    this.#ending = true
    this.#process.hold()
    this.#process.resume()
    if (this.#process.running) this.#send({ kind: 'stop' })
    const timer = setTimeout(() => this.#process.signal('SIGKILL'), STOP_LIMIT)
    await this.#process.exited.finally(() => clearTimeout(timer))
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #hear(response: Exclude<Response, { kind: 'ready' }>): void {
    if (response.kind === 'crash') {
      this.#failure = fromPlain(response.error)
      return
    }
    if (response.kind === 'event') {
      const { values, waiting } = this.#queue(response.name)
      const waiter = waiting.shift()
      if (waiter) waiter.resolve(response.value as never)
      else values.push(response.value)
      return
    }
    const call = this.#calls.get(response.id)
    this.#calls.delete(response.id)
    if (response.kind === 'value') call?.resolve(response.value as never)
    else call?.reject(fromPlain(response.error))
  }

  #end(code: number): void {
    if (!this.#ending) {
      this.#failure ??= new Error(`The worker ended by itself with code ${code}. It said:\n${this.#output()}`)
    }
    const waiting = [...this.#calls.values(), ...[...this.#events.values()].flatMap((queue) => queue.waiting)]
    this.#calls.clear()
    this.#events.clear()
    for (const { reject } of waiting) reject(this.#ended())
  }

  #ended(): Error {
    return this.#failure ?? new Error('The worker was ended')
  }

  #queue(event: string): { values: unknown[]; waiting: Waiting[] } {
    const queue = this.#events.get(event) ?? { values: [], waiting: [] }
    this.#events.set(event, queue)
    return queue
  }

  /** This process stays alive while it waits. A test that kills the worker need not look at what it waited for. */
  #keepAwake(answer: Promise<unknown>): void {
    this.#process.hold()
    const release = () => this.#process.release()
    answer.then(release, release)
  }

  #send(request: Request): void {
    // It may have ended a moment ago, of which its exit tells.
    this.#process.channel.send(request, () => {})
  }
}
