import { type Request, type Response, toPlain } from './worker-message.js'

/** The methods of a worker. What they take and return crosses by structured clone. */
export type WorkerMethods = Record<string, (...args: never[]) => unknown>

/** What a worker can do besides answering. */
export type WorkerService = {
  /** Tells the test's process something, which `worker.next(event)` waits for. */
  notify(event: string, value?: unknown): void
}

/** What {@link serveWorker} takes besides the methods. */
export type WorkerServiceOptions = {
  /** Called by `worker.stop()` before the process ends. */
  onStop?: () => unknown
}

/**
 * Answers the calls of the test that started this process by `startWorker`. An uncaught error or unhandled
 * rejection ends the process, and the test hears of it.
 *
 * @example
 * const methods = { get: (key: string) => cache.get(key) }
 * export type Methods = typeof methods
 * serveWorker(methods, { onStop: () => app.close() })
 */
export function serveWorker(methods: WorkerMethods, options: WorkerServiceOptions = {}): WorkerService {
  const answer = async (id: number, method: string, args: unknown[]) => {
    try {
      const run = methods[method]
      if (!run) throw new Error(`The worker has no method ${method}`)
      send({ kind: 'value', id, value: await run(...(args as never[])) })
    } catch (error) {
      send({ kind: 'error', id, error: toPlain(error) })
    }
  }
  const crash = (error: unknown) => {
    process.send?.({ kind: 'crash', error: toPlain(error) } satisfies Response, () => process.exit(1))
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
  process.on('disconnect', () => process.exit())
  process.on('message', async (request: Request) => {
    if (request.kind === 'call') return answer(request.id, request.method, request.args)
    await options.onStop?.()
    process.exit()
  })
  send({ kind: 'ready' })
  return { notify: (name, value) => send({ kind: 'event', name, value }) }
}

function send(response: Response): void {
  if (!process.send) throw new Error('This file is to be started by startWorker()')
  process.send(response)
}
