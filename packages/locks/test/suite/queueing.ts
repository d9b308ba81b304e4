import type { Lock } from '@larder/locks'
import type { Test } from 'tap'
import { codeOf, pending, type Site } from '../setup.js'

/** Who waits. */
export function queueing(t: Test, site: Site): void {
  t.test('who waits gets the lock in the order of the calls, over processes', async (t) => {
    const one = await site.open(t)
    const peers = [one, await site.peer(t, one), await site.peer(t, one)]
    const first = await one.locks.acquire('key')
    const order: number[] = []
    const waiting: Promise<void>[] = []
    for (let i = 0; i < 9; i++) {
      const { locks } = peers[i % 3] as typeof one
      waiting.push(locks.using('key', async () => void order.push(i)))
      await site.queued(one, i + 1)
    }
    await first.release()
    await Promise.all(waiting)
    t.strictSame(order, [0, 1, 2, 3, 4, 5, 6, 7, 8])
    t.strictSame(await site.left(one), [])
  })

  t.test('who comes later does not overtake who waits', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const lock = await one.locks.acquire('key')
    const waiting = other.locks.acquire('key')
    await site.queued(one, 1)
    await lock.release()
    t.equal(await one.locks.tryAcquire('key'), undefined)
    await (await waiting).release()
    t.ok(await one.locks.tryAcquire('key'))
  })

  t.test('a hundred waiters of four processes hold it one after the other', async (t) => {
    const one = await site.open(t)
    const peers = [one, await site.peer(t, one), await site.peer(t, one), await site.peer(t, one)]
    let inside = 0
    let most = 0
    let last = 0n
    const work = async (lock: Lock): Promise<void> => {
      most = Math.max(most, ++inside)
      t.ok(lock.fencingToken > last)
      last = lock.fencingToken
      await one.locks.tryAcquire('key')
      inside--
    }
    const all = Array.from({ length: 100 }, (_, i) =>
      (peers[i % 4] as typeof one).locks.using('key', { wait: '1m' }, work),
    )
    await Promise.all(all)
    t.equal(most, 1)
    t.strictSame(await site.left(one), [])
  })

  t.test('a wait may be as long as one likes', async (t) => {
    const one = await site.open(t)
    const lock = await one.locks.acquire('key')
    const waiting = one.locks.acquire('key', { wait: Number.MAX_SAFE_INTEGER })
    await site.queued(one, 1)
    t.equal(await pending(waiting), true)
    await lock.release()
    await (await waiting).release()
  })

  t.test('a waiter gets the lock when the lease of a holder that went silent has ended', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const lock = await one.locks.acquire('key', { ttl: 200, renew: false })
    const next = await other.locks.acquire('key', { wait: '5s' })
    t.equal(lock.held, false)
    t.ok(next.fencingToken > lock.fencingToken)
    t.equal(await lock.release(), 'stolen')
    t.equal(next.held, true)
    t.equal(await next.release(), 'released')
  })
}

/** Who waits no longer. */
export function leaving(t: Test, site: Site): void {
  t.test('a wait that is over rejects, and the next in the queue is not held up', async (t) => {
    const one = await site.open(t)
    const lock = await one.locks.acquire('key')
    const short = one.locks.acquire('key', { wait: 40 })
    const long = one.locks.acquire('key')
    const begun = performance.now()
    t.equal(await codeOf(short), 'LARDER_LOCKS_TIMEOUT')
    t.ok(performance.now() - begun < 500)
    t.equal(await pending(long), true)
    await lock.release()
    await (await long).release()
    t.strictSame(await site.left(one), [])
  })

  t.test('an aborted wait rejects with the reason, and leaves no trace', async (t) => {
    const one = await site.open(t)
    const reason = new Error('enough')
    const lock = await one.locks.acquire('key')
    const waiting = new AbortController()
    const early = new AbortController()
    const promise = one.locks.acquire('key', { signal: waiting.signal })
    await site.queued(one, 1)
    waiting.abort(reason)
    await t.rejects(promise, reason)
    const begun = one.locks.acquire('key', { signal: early.signal })
    early.abort(reason)
    await t.rejects(begun, reason)
    await t.rejects(one.locks.acquire('key', { signal: AbortSignal.abort(reason) }), reason)
    await site.queued(one, 0)
    const next = one.locks.acquire('key', { signal: new AbortController().signal })
    await lock.release()
    await (await next).release()
    t.strictSame(await site.left(one), [])
  })

  t.test('aborted while the question for a free lock is under way, it stays free', async (t) => {
    const one = await site.open(t)
    const controller = new AbortController()
    const promise = one.locks.acquire('key', { signal: controller.signal })
    controller.abort()
    await t.rejects(promise, { name: 'AbortError' })
    const next = await one.locks.acquire('key', { wait: '1s' })
    t.equal(await next.release(), 'released')
  })

  t.test('a signal that is aborted later changes nothing, and is not listened to', async (t) => {
    const one = await site.open(t)
    const controller = new AbortController()
    const lock = await one.locks.acquire('key', { signal: controller.signal })
    controller.abort()
    t.equal(lock.held, true)
    t.equal(lock.signal.aborted, false)
    t.equal(await lock.release(), 'released')
  })
}
