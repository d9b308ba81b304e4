import type { Lock } from '@larder/locks'
import type { Test } from 'tap'
import { codeOf, lost, pass, type Site } from '../setup.js'

/** How a lease lasts and ends. */
export function leases(t: Test, site: Site): void {
  t.test('a lease is renewed while it is held', async (t) => {
    const one = await site.open(t)
    const lock = await one.locks.acquire('key', { ttl: 600 })
    await pass(one, 1800)
    t.equal(lock.held, true)
    t.equal(lock.signal.aborted, false)
    t.equal(await one.locks.tryAcquire('key'), undefined)
    t.equal(await lock.release(), 'released')
  })

  t.test('who waited has a lease like others: also a short one is renewed, or told when it ends', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const first = await other.locks.acquire('key')
    const kept = one.locks.acquire('key', { ttl: 300 })
    await site.queued(one, 1)
    const ending = one.locks.acquire('key', { ttl: 300, renew: false })
    await site.queued(one, 2)
    await first.release()
    const held = await kept
    await pass(other, 1_300)
    t.equal(held.held, true)
    t.equal(await held.release(), 'released')
    const ends = await ending
    const begun = performance.now()
    t.match(await lost(ends), { code: 'LARDER_LOCKS_LOST' })
    t.ok(performance.now() - begun < 800, 'not when the claim of a waiter ends')
  })

  t.test('without renewal the signal is aborted when the lease ends', async (t) => {
    const one = await site.open(t)
    const begun = performance.now()
    const lock = await one.locks.acquire('key', { ttl: 200, renew: false })
    // What a timer of that length takes here is not held against the lease.
    const timer = new Promise<number>((resolve) => {
      setTimeout(() => resolve(performance.now() - begun), 200)
    })
    const reason = await lost(lock)
    const took = performance.now() - begun
    const late = Math.max(took - Math.max(await timer, 200), 0)
    t.match(reason, { code: 'LARDER_LOCKS_LOST', message: /`key` was lost/ })
    t.ok(took > 190 && late < 60, `after ${took} ms, ${late} ms later than a timer`)
    t.equal(lock.held, false)
    t.equal(await lock.release(), 'expired')
    t.equal(await lock.release(), 'expired')
  })

  t.test('who looks at the signal only after the loss finds it aborted', async (t) => {
    const one = await site.open(t)
    const lock = await one.locks.acquire('key', { ttl: 100, renew: false })
    await pass(one, 150)
    t.equal(lock.signal.aborted, true)
    t.match(lock.signal.reason, { code: 'LARDER_LOCKS_LOST' })
  })

  t.test('a lease that has ended can neither be released nor extended from its successor', async (t) => {
    const one = await site.open(t)
    // The record of this release is no record of the next one.
    await one.locks.using('key', () => {})
    const lock = await one.locks.acquire('key', { ttl: 50, renew: false })
    await lost(lock)
    t.equal(await lock.extend('1m'), 'expired')
    const next = await one.locks.acquire('key')
    t.equal(await lock.extend('1m'), 'stolen')
    t.equal(await lock.release(), 'stolen')
    t.equal(await one.locks.tryAcquire('key'), undefined)
    t.equal(await next.extend(), 'extended')
    t.equal(await next.release(), 'released')
    t.equal(await next.extend(), 'expired')
  })

  t.test('extend sets the length of the lease anew', async (t) => {
    const one = await site.open(t)
    const lock = await one.locks.acquire('key', { ttl: 100, renew: false })
    t.equal(await lock.extend('1m'), 'extended')
    t.ok(lock.remaining > 59_000)
    await pass(one, 150)
    t.equal(lock.held, true)
    t.equal(await lock.extend(80), 'extended')
    await lost(lock)
    t.equal(await codeOf(lock.extend(0)), 'LARDER_INVALID_OPTION')
    t.ok(await one.locks.acquire('key'))
  })

  t.test('many leases are renewed together', async (t) => {
    const one = await site.open(t)
    const held = await Promise.all(Array.from({ length: 250 }, (_, i) => one.locks.acquire(['many', i], { ttl: 900 })))
    await pass(one, 2700)
    t.ok(held.every((lock) => lock.held && !lock.signal.aborted))
    const answers = await Promise.all(held.map((lock) => lock.release()))
    t.ok(answers.every((answer) => answer === 'released'))
  })
}

/** Tokens. */
export function fencing(t: Test, site: Site): void {
  t.test('the token grows with each grant: after a release, an end, another kind of holder', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const tokens: bigint[] = []
    const hold = async (lock: Promise<Lock>): Promise<void> => {
      const held = await lock
      tokens.push(held.fencingToken)
      await held.release()
    }
    await hold(one.locks.acquire('key'))
    await hold(other.locks.acquire('key'))
    const ended = await one.locks.acquire('key', { ttl: 30, renew: false })
    tokens.push(ended.fencingToken)
    await lost(ended)
    await hold(other.locks.acquire('key'))
    const first = await one.locks.acquire('key')
    const waiting = hold(other.locks.acquire('key'))
    tokens.push(first.fencingToken)
    await site.queued(one, 1)
    await first.release()
    await waiting
    const readWrite = one.locks.readWrite('key')
    const readers = [await readWrite.read(), await readWrite.read()]
    t.ok((readers[0] as Lock).fencingToken < (readers[1] as Lock).fencingToken)
    for (const [i, token] of tokens.entries())
      t.ok(i === 0 || token > (tokens[i - 1] as bigint), `${tokens[i - 1]} < ${token}`)
    t.type(tokens[0], 'bigint')
    t.equal(tokens.length, 6)
  })
}
