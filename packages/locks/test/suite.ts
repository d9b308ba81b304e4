import type { Lock, Locks } from '@larder/locks'
import type { Test } from 'tap'
import { codeOf, lost, pass, pending, type Site } from './setup.js'

/** What locks do wherever leases are kept. */
export function behaves(t: Test, site: Site): void {
  mutexes(t, site)
  queueing(t, site)
  leaving(t, site)
  leases(t, site)
  fencing(t, site)
  routines(t, site)
  semaphores(t, site)
  readersAndWriters(t, site)
  sets(t, site)
  closing(t, site)
}

function mutexes(t: Test, site: Site): void {
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

function queueing(t: Test, site: Site): void {
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

function leaving(t: Test, site: Site): void {
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

function leases(t: Test, site: Site): void {
  t.test('a lease is renewed while it is held', async (t) => {
    const one = await site.open(t)
    const lock = await one.locks.acquire('key', { ttl: 600 })
    await pass(one, 1800)
    t.equal(lock.held, true)
    t.equal(lock.signal.aborted, false)
    t.equal(await one.locks.tryAcquire('key'), undefined)
    t.equal(await lock.release(), 'released')
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

  t.test('a lease that has ended can neither be released nor extended from its successor', async (t) => {
    const one = await site.open(t)
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

function fencing(t: Test, site: Site): void {
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

function routines(t: Test, site: Site): void {
  t.test('using gives back what the routine returns, and holds the lock meanwhile', async (t) => {
    const { locks } = await site.open(t)
    const result = await locks.using('key', { ttl: '3s' }, async (lock) => {
      t.ok(lock.remaining <= 3_000)
      t.equal(await locks.tryAcquire('key'), undefined)
      return 'done'
    })
    t.equal(result, 'done')
    t.equal(await locks.using('key', () => 5), 5)
    t.equal(await codeOf(locks.using('key', undefined as never)), 'TypeError: Expected a routine to run with the lock')
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

function semaphores(t: Test, site: Site): void {
  t.test('a semaphore lets so many in as it has permits, the others in order', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const mine = one.locks.semaphore('key', { permits: 3 })
    const theirs = other.locks.semaphore('key', { permits: 3 })
    const held = [await mine.acquire(), await theirs.acquire(), await mine.acquire()]
    t.equal(await mine.tryAcquire(), undefined)
    const order: string[] = []
    const enter = async (name: string, acquired: Promise<Lock>): Promise<Lock> => {
      const lock = await acquired
      order.push(name)
      return lock
    }
    const first = enter('first', theirs.acquire())
    await site.queued(one, 1)
    const second = enter('second', mine.acquire())
    await site.queued(one, 2)
    t.equal(await mine.tryAcquire(), undefined)
    t.equal(await (held[1] as Lock).release(), 'released')
    await first
    t.strictSame(order, ['first'])
    t.equal(await (held[0] as Lock).release(), 'released')
    await second
    for (const lock of [held[2] as Lock, await first, await second]) t.equal(await lock.release(), 'released')
    t.strictSame(await site.left(one), [])
  })

  t.test('at no time more than the permits are in use', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const options = { permits: 4, wait: '30s' } as const
    const doors = [one.locks.semaphore('key', options), other.locks.semaphore('key', options)]
    let inside = 0
    let most = 0
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside)
      await (await one.locks.tryAcquire('nothing'))?.release()
      inside--
    }
    await Promise.all(Array.from({ length: 60 }, (_, i) => (doors[i % 2] as (typeof doors)[0]).using(work)))
    t.equal(most, 4)
    t.strictSame(await site.left(one), [])
  })

  t.test('a permit whose lease has ended is free again, and its holder is told', async (t) => {
    const one = await site.open(t)
    const semaphore = one.locks.semaphore('key', { permits: 2, ttl: 100 })
    const ended = await semaphore.acquire({ renew: false })
    const kept = await semaphore.acquire({ ttl: '1m' })
    const next = await semaphore.acquire()
    t.equal(await ended.release(), 'stolen')
    await next.release()
    const alone = await semaphore.acquire({ renew: false })
    await lost(alone)
    t.equal(await alone.release(), 'expired')
    t.equal(await kept.release(), 'released')
    t.equal(await semaphore.using({ ttl: '1s' }, async (lock) => lock.held), true)
  })
}

function readersAndWriters(t: Test, site: Site): void {
  t.test('readers hold it beside each other, a writer alone', async (t) => {
    const one = await site.open(t)
    const mine = one.locks.readWrite('key')
    const theirs = (await site.peer(t, one)).locks.readWrite('key')
    const readers = [await mine.read(), await theirs.read(), await mine.tryRead()]
    t.equal(await theirs.tryWrite(), undefined)
    for (const reader of readers) t.equal(await reader?.release(), 'released')
    const writer = await theirs.write()
    t.equal(await mine.tryRead(), undefined)
    t.equal(await mine.tryWrite(), undefined)
    t.equal(await writer.release(), 'released')
    t.ok(await mine.tryWrite())
  })

  t.test('a writer is not starved: readers who come after it wait behind it', async (t) => {
    const one = await site.open(t)
    const mine = one.locks.readWrite('key', { wait: '20s' })
    const theirs = (await site.peer(t, one)).locks.readWrite('key')
    const reader = await mine.read()
    const writing = theirs.write()
    await site.queued(one, 1)
    const late = [mine.read(), theirs.read()]
    await site.queued(one, 3)
    t.equal(await mine.tryRead(), undefined)
    await reader.release()
    const writer = await writing
    t.equal(await pending(Promise.all(late)), true)
    await writer.release()
    for (const lock of await Promise.all(late)) t.equal(await lock.release(), 'released')
    t.strictSame(await site.left(one), [])
  })

  t.test('readers of a crashed process do not keep a writer out for longer than their lease', async (t) => {
    const one = await site.open(t)
    const readWrite = one.locks.readWrite('key')
    const gone = await readWrite.read({ ttl: 150, renew: false })
    const writer = await readWrite.write()
    t.equal(await gone.release(), 'stolen')
    t.equal(await writer.release(), 'released')
  })
}

function sets(t: Test, site: Site): void {
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

function closing(t: Test, site: Site): void {
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
