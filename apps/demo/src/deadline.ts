import { setTimeout } from 'node:timers/promises'

/**
 * The outcome of `work` if it comes within `milliseconds`, else a rejection with what `late` makes. The work itself goes on.
 *
 * @example
 * await within(1_000, database.query('SELECT 1'), () => new DatabaseUnavailableError())
 */
export async function within<T>(milliseconds: number, work: Promise<T>, late: () => Error): Promise<T> {
  const timer = new AbortController()
  const deadline = setTimeout(milliseconds, undefined, { signal: timer.signal, ref: false }).then(
    () => Promise.reject(late()),
    () => new Promise<never>(() => {}),
  )
  try {
    return await Promise.race([work, deadline])
  } finally {
    timer.abort()
  }
}
