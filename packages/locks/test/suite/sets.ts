import type { Locks } from '@larder/locks'
import type { Test } from 'tap'
import { codeOf, lost, type Site } from '../setup.js'

/** Several locks, all or none. */
export function sets(t: Test, site: Site): void {
  t.test('acquireAll holds all or none, each name once', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const set = await one.locks.acquireAll(['b', 'a', 'b', ['c', 1]])
    t.strictSame(
      set.locks.map(({ name }) => name),
      ['a', 'b', 'c:1'],
    )
    t.equal(set.held, true)
    t.equal(set.signal.aborted, false)
    t.strictSame([...set.fencingTokens.keys()], ['a', 'b', 'c:1'])
    t.equal(await codeOf(other.locks.acquireAll(['c:1', 'd'], { wait: 0 })), 'LARDER_LOCKS_TIMEOUT')
    t.equal(await codeOf(other.locks.acquireAll(['0', 'b'], { wait: 30 })), 'LARDER_LOCKS_TIMEOUT')
    for (const free of ['0', 'd']) await (await other.locks.acquire(free, { wait: 0 })).release()
    t.equal(await set.release(), 'released')
    t.equal(set.held, false)
    {
      await using all = await other.locks.acquireAll(['a', 'b', 'c:1'], { wait: 0 })
      t.equal(all.held, true)
    }
    t.strictSame(await site.left(one), [])
  })

  t.test('crossing sets of two processes do not wait for each other for ever', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const run = async (locks: Locks, keys: string[]): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        const set = await locks.acquireAll(keys, { wait: '20s' })
        t.equal(await set.release(), 'released')
      }
    }
    await Promise.all([
      run(one.locks, ['x', 'y', 'z']),
      run(other.locks, ['z', 'y', 'x']),
      run(other.locks, ['y', 'x']),
    ])
    t.strictSame(await site.left(one), [])
  })

  t.test('a set is lost with any of its locks, and says the worst that a release found', async (t) => {
    const one = await site.open(t)
    const set = await one.locks.acquireAll(['a', 'b'], { ttl: 60, renew: false })
    await lost(set)
    t.equal(set.held, false)
    await one.locks.acquire('b')
    t.equal(await set.release(), 'stolen')
    const empty = await one.locks.acquireAll([])
    t.equal(await empty.release(), 'released')
  })
}
