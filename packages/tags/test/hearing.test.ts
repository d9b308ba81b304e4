import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Change, HEARTBEAT, type Pair, startPair, watchChange } from './pair.js'
import type { Seen } from './workers/reader.js'

const OURS: readonly Change[] = [
  ['a set', ({ b }) => b.call('set', 'key', 'set')],
  ['a deletion', ({ b }) => b.call('delete', 'key')],
  ['the invalidation of a tag', ({ b }) => b.call('invalidate')],
]
t.test('G1: another process hears of every change of ours', async (t) => {
  const both = await startPair(t, 60_000)
  for (const [name, change] of OURS) {
    const lags: number[] = []
    for (let round = 0; round < 5; round++) {
      const { firstNew, done } = await watchChange(both, change, `${name} ${round}`)
      lags.push(firstNew - done)
    }
    // The heartbeat is a minute here, so only the feed can have told; how soon it does is measured in bench/.
    t.ok(Math.max(...lags) < 10_000, `${name}: at the latest ${Math.max(...lags).toFixed(2)} ms after it was done`)
  }
})

type Fault = readonly [name: string, begin: (pair: Pair) => Promise<void> | void, starve?: boolean]

const FAULTS: readonly Fault[] = [
  ['whose connection is killed', async ({ server }) => void (await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub'))],
  [
    'whose connection is killed and refused',
    ({ proxy }) => {
      proxy.refuse()
      proxy.cut()
    },
  ],
  ['that a network swallows whole, without a FIN', ({ proxy }) => proxy.drop()],
  ['whose messages are swallowed', ({ proxy }) => proxy.drop('toClient')],
  ['whose messages are late', ({ proxy }) => proxy.hold('toClient')],
  ['that a network swallows, in a process whose microtasks starve its timers', ({ proxy }) => proxy.drop(), true],
  ['that nobody reads, in a process whose microtasks starve its timers', () => {}, true],
]

t.test('G1: with the feed broken no process serves what is older than the heartbeat', async (t) => {
  for (const [fault, begin, starve] of FAULTS) {
    await t.test(`a feed ${fault}`, async (t) => {
      const both = await startPair(t)
      for (const [name, change] of OURS.slice(1)) {
        const old = `before ${name}`
        await both.b.call('set', 'key', old)
        await both.a.call('keep', 'key', old)
        if (starve) await both.a.call('keep', 'key', old)
        const seeing = both.a.call('watch', 'key', old, starve)
        await both.a.next('watching')
        await begin(both)
        const done = await change(both)
        const { lastOld, calls } = await seeing
        const late = lastOld - done
        t.ok(late <= HEARTBEAT, `${name}: served for ${late.toFixed()} of ${HEARTBEAT} ms, in ${calls} calls`)
        await both.proxy.restore()
      }
    })
  }
})

t.test(
  'G1: a process that was stopped serves nothing old when it runs on, whatever its feed',
  { jobs: 3 },
  async (t) => {
    for (const [fault, begin] of [['that is well', () => {}] as Fault, ...FAULTS.slice(1, 3)]) {
      await t.test(`a feed ${fault}`, async (t) => {
        const both = await startPair(t)
        for (const [name, change] of OURS.slice(1)) {
          const old = `before ${name}`
          await both.b.call('set', 'key', old)
          await both.a.call('keep', 'key', old)
          const seeing: Promise<Seen> = both.a.call('watch', 'key', old)
          await both.a.next('watching')
          await both.a.pause()
          await begin(both)
          const done = await change(both)
          await sleep(2 * HEARTBEAT)
          both.a.resume()
          const { lastOld } = await seeing
          // The call that was under way when it was stopped began before the change.
          t.ok(lastOld - done <= 0, `${name}: no call that began afterwards got the old value`)
          await both.proxy.restore()
        }
      })
    }
  },
)
