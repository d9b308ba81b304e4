import type { Locks } from '@larder/locks'
import type { Test } from 'tap'
import { codeOf } from './setup.js'

export { behind, far, start } from '@larder/test-redis'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

/** The last test of a file. */
export function noneUnhandled(t: Test): void {
  t.test('all this time no rejection was left unhandled', async (t) => {
    t.strictSame(unhandled, [])
  })
}

/** Has the server know the scripts. */
export async function warm(locks: Locks): Promise<void> {
  await locks.using('warm', () => locks.using('warm', { wait: 1 }, () => {}).catch(() => {}))
}

/** How long a call takes, and how it ends. */
export async function timed(promise: Promise<unknown>): Promise<{ code: string | undefined; took: number }> {
  const begun = performance.now()
  const code = await codeOf(promise)
  return { code, took: performance.now() - begun }
}
