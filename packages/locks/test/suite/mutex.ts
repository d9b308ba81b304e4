import type { Test } from 'tap'
import { codeOf, lost, type Site } from '../setup.js'

/** One holder. */
export function mutexes(t: Test, site: Site): void {
  t.test('a lock is held by one, until it is released', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const lock = await one.locks.acquire('key')
    t.equal(lock.name, 'key')
    t.equal(lock.held, true)
    t.ok(lock.remaining > 9_000 && lock.remaining <= 10_000)
    t.equal(await one.locks.tryAcquire('key'), undefined)
    t.equal(await other.locks.tryAcquire('key'), undefined)
    t.equal(await codeOf(other.locks.acquire('key', { wait: 0 })), 'LARDER_LOCKS_TIMEOUT')
    t.equal(await lock.release(), 'released')
    t.equal(lock.held, false)
    t.equal(lock.remaining, 0)
    t.equal(lock.signal.aborted, false)
    const next = await other.locks.tryAcquire('key')
    t.equal(next?.held, true)
    t.equal(await lock.release(), 'released')
    t.equal(next?.held, true)
    await next?.release()
  })

  t.test('locks of other names, and other kinds of the same name, are independent', async (t) => {
    const { locks } = await site.open(t)
    const held = [
      await locks.acquire('key'),
      await locks.acquire('key2'),
      await locks.acquire(['key', 2]),
      await locks.acquire('{key}:'),
      await locks.acquire('x'.repeat(5_000)),
      await locks.acquire(`${'x'.repeat(5_000)}y`),
      await locks.semaphore('key', { permits: 1 }).acquire(),
      await locks.readWrite('key').write(),
    ]
    t.equal(await locks.tryAcquire('key:2'), undefined)
    for (const lock of held) t.equal(await lock.release(), 'released')
  })

  t.test('what is released leaves no key behind', async (t) => {
    const opened = await site.open(t)
    const { locks } = opened
    await (await locks.acquire('key')).release()
    await locks.using('key', async () => t.equal(await locks.tryAcquire('key'), undefined))
    const waiting = locks.using('key', () => Promise.all([locks.using('key', { wait: 30 }, () => {}).catch(() => {})]))
    await waiting
    t.strictSame(await site.left(opened), [])
  })

  t.test('a lock is an AsyncDisposable', async (t) => {
    const { locks } = await site.open(t)
    {
      await using lock = await locks.acquire('key')
      t.equal(lock.held, true)
    }
    t.ok(await locks.tryAcquire('key'))
  })
}

/** `using`. */
export function routines(t: Test, site: Site): void {
  t.test('using gives back what the routine returns, and holds the lock meanwhile', async (t) => {
    const { locks } = await site.open(t)
    const result = await locks.using('key', { ttl: '3s' }, async (lock) => {
      t.ok(lock.remaining <= 3_000)
      t.equal(await locks.tryAcquire('key'), undefined)
      return 'done'
    })
    t.equal(result, 'done')
    t.equal(await locks.using('key', () => 5), 5)
    t.equal(await codeOf(locks.using('key', undefined as never)), 'LARDER_INVALID_OPTION')
    t.equal(await codeOf(locks.using('key', {}, undefined as never)), 'LARDER_INVALID_OPTION')
    t.ok(await locks.tryAcquire('key'))
  })

  t.test('using throws what the routine throws, also when the lock was lost', async (t) => {
    const { locks } = await site.open(t)
    const failure = new Error('the routine failed')
    await t.rejects(
      locks.using('key', async () => {
        throw failure
      }),
      failure,
    )
    const late = locks.using('key', { ttl: 40, renew: false }, async (lock) => {
      await lost(lock)
      await (await locks.acquire('key')).extend()
      throw failure
    })
    await t.rejects(late, failure)
    t.equal(await locks.using('other', { ttl: 40, renew: false }, async (lock) => void (await lost(lock))), undefined)
  })
}

/** The end of an application. */
export function closing(t: Test, site: Site): void {
  t.test('closing ends the waits, and tells the holders, who may still release', async (t) => {
    const one = await site.open(t)
    const lock = await one.locks.acquire('key')
    const waiting = one.locks.acquire('key')
    await site.queued(one, 1)
    const told = lost(lock).then(async (reason) => ({ reason, answer: await lock.release() }))
    const closed = one.app.close()
    t.equal(await codeOf(waiting), 'LARDER_LOCKS_UNAVAILABLE')
    const { reason, answer } = await told
    t.match(reason, { code: 'LARDER_LOCKS_LOST', message: /closing/ })
    t.equal(answer, 'released')
    await closed
    t.equal(await codeOf(one.locks.acquire('key')), 'LARDER_LOCKS_UNAVAILABLE')
  })
}
