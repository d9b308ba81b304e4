import { setTimeout as sleep } from 'node:timers/promises'

const INTERVAL = 10

/**
 * Asks a real server again and again until it says yes, where it offers no event to wait for.
 *
 * @param what - what is awaited, for the error
 * @param condition - a throw counts as no
 * @param limit - milliseconds. Default 30 s
 * @throws Error when the limit is over; the condition's own last error is its cause
 */
export async function pollUntil(
  what: string,
  condition: () => Promise<boolean> | boolean,
  limit = 30_000,
): Promise<void> {
  const end = performance.now() + limit
  let cause: unknown
  while (performance.now() < end) {
    try {
      if (await condition()) return
      cause = undefined
    } catch (error) {
      cause = error
    }
    await sleep(INTERVAL)
  }
  throw new Error(`Waited ${limit} ms in vain for ${what}`, { cause })
}
