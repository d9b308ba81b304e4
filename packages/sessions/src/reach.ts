import { UnavailableError } from './errors.js'

/** The outcome of a question to the store, or `LARDER_SESSIONS_UNAVAILABLE`. */
export async function reached<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw unavailable(error)
  }
}

/** What users see of a Redis that cannot be asked. */
export function unavailable(error: unknown): unknown {
  const code = (error as { code?: unknown }).code
  if (code !== 'LARDER_REDIS_UNAVAILABLE' && code !== 'LARDER_REDIS_TIMEOUT') return error
  const { message } = error as Error
  return Object.assign(new UnavailableError(message, { cause: error }), { headers: { 'retry-after': '1' } })
}
