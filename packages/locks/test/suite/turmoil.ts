import type { Lock } from '@larder/locks'
import fc from 'fast-check'
import type { Test } from 'tap'
import { codeOf, type Site } from '../setup.js'

const ROUNDS = process.env.LARDER_NIGHTLY ? 100 : 8

const call = fc.record({
  peer: fc.nat(2),
  start: fc.nat(20),
  hold: fc.nat(3),
  wait: fc.constantFrom(0, 1, 5, 20, 60_000),
  abort: fc.option(fc.nat(20), { nil: undefined }),
  kind: fc.constantFrom('mutex', 'permit', 'read', 'write'),
})

/** Who comes, waits, gives up and leaves at random. */
export function turmoil(t: Test, site: Site): void {
  t.test('whoever comes, gives up and leaves, at no time too many hold it, and nothing is left behind', async (t) => {
    const one = await site.open(t)
    const peers = [one, await site.peer(t, one), await site.peer(t, one)]
    let round = 0
    const holds = async (calls: { [K in keyof Call]: Call[K] }[]): Promise<void> => {
      const key = ['turmoil', ++round]
      const inside = { mutex: 0, permit: 0, read: 0, write: 0 }
      const wrong: string[] = []
      const run = async ({ peer, start, hold, wait, abort, kind }: Call): Promise<void> => {
        await pause(start)
        const { locks } = peers[peer] as typeof one
        const signal = abort === undefined ? undefined : AbortSignal.timeout(abort)
        const options = { wait, ...(signal && { signal }) }
        const ways: Record<Call['kind'], () => Promise<Lock>> = {
          mutex: () => locks.acquire(key, options),
          permit: () => locks.semaphore(key, { permits: 2 }).acquire(options),
          read: () => locks.readWrite(key).read(options),
          write: () => locks.readWrite(key).write(options),
        }
        const lock = await ways[kind]().catch((error) => {
          const code = (error as { code?: string }).code
          if (error !== signal?.reason && code !== 'LARDER_LOCKS_TIMEOUT') wrong.push(String(error))
        })
        if (!lock) return
        inside[kind]++
        const { mutex, permit, read, write } = inside
        if (mutex > 1 || permit > 2 || write > 1 || (write > 0 && read > 0)) wrong.push(JSON.stringify(inside))
        await pause(hold)
        inside[kind]--
        if ((await lock.release()) !== 'released') wrong.push('it was not released')
      }
      await Promise.all(calls.map(run))
      // What was given up is undone by a command that nobody waited for, before this one.
      for (const { locks } of peers) await codeOf(locks.tryAcquire('after'))
      const left = (await site.left(one)).filter((name) => name.includes(`turmoil:${round}`))
      if (wrong.length > 0 || left.length > 0) throw new Error([...wrong, ...left].join('; '))
    }
    await fc.assert(fc.asyncProperty(fc.array(call, { minLength: 20, maxLength: 60 }), holds), {
      numRuns: ROUNDS,
      endOnFailure: true,
    })
    t.pass()
  })
}

type Call = typeof call extends fc.Arbitrary<infer C> ? C : never

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
