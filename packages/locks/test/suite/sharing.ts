import type { Lock } from '@larder/locks'
import type { Test } from 'tap'
import { lost, pending, type Site } from '../setup.js'

/** So many holders. */
export function semaphores(t: Test, site: Site): void {
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

/** Readers beside each other, a writer alone. */
export function readersAndWriters(t: Test, site: Site): void {
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
    const begun = performance.now()
    await writer.release()
    const readers = await Promise.all(late)
    t.ok(performance.now() - begun < 800, 'all readers are called at once, and need not ask')
    for (const lock of readers) t.equal(await lock.release(), 'released')
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
