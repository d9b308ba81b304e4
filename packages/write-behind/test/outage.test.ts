import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { behind, far, pollUntil, start } from '@larder/test-redis'
import type { WriteBehindEvent } from '@larder/write-behind'
import t from 'tap'
import { client, codeOf, gate, Ledger, leftOn, open, unsent } from './setup.js'

const DEADLINE = 250

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

/** How long a call takes, and how it ends. */
async function timed(promise: Promise<unknown>): Promise<{ code: string | undefined; took: number }> {
  const begun = performance.now()
  const code = await codeOf(promise)
  return { code, took: performance.now() - begun }
}

t.test('with Redis silent increments are kept within the deadline, and counted once when it is back', async (t) => {
  const server = await start(t)
  const { writeBehind } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  const ledger = new Ledger<number>()
  const views = writeBehind.counter('views', { flush: ledger.flush })
  const edits = writeBehind.queue<number>('edits', { coalesce: 'last', flush: () => {} })
  const log = writeBehind.queue<number>('log', { flush: () => {} })
  t.equal(await views.increment('a'), 'stored')
  await Promise.all([edits.put('k', 0), log.put('k', 0)])
  await server.pause()
  // In doubt: they lie in the socket, and Redis will execute them when it goes on.
  const sent = performance.now()
  const answers = await Promise.all([views.increment('a', 10), edits.put('k', 1), log.put('k', 1)])
  t.strictSame(answers, ['kept', 'kept', 'kept'])
  t.ok(performance.now() - sent < 2 * DEADLINE)
  const later = performance.now()
  t.strictSame(await Promise.all([views.increment('a', 100), views.increment('b')]), ['kept', 'kept'])
  t.strictSame(await Promise.all([edits.put('k', 2), log.put('k', 2)]), ['kept', 'kept'])
  t.ok(performance.now() - later < 50, 'at once, once it is known')
  for (const { code, took } of await Promise.all([timed(views.flush()), timed(views.pending('a'))])) {
    t.equal(code, 'LARDER_WRITE_BEHIND_UNAVAILABLE')
    t.ok(took < 2 * DEADLINE)
  }
  server.resume()
  await pollUntil('all to be stored', () => unsent(writeBehind) === 0)
  t.equal(await views.pending('a'), 111)
  t.equal(await edits.pending('k'), 2)
  t.strictSame(await log.pending('k'), [0, 1, 2])
  await views.flush()
  t.strictSame(ledger.written, { a: [111], b: [1] })
})

t.test('an increment whose answer was lost is counted once, also when its batch was flushed meanwhile', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const one = await open(t, { redis: far(t, proxy), deadline: DEADLINE })
  const other = await open(t, { redis: client(t, server), namespace: one.namespace })
  const ledger = new Ledger<number>()
  const views = one.writeBehind.counter('views', { flush: false })
  const flusher = other.writeBehind.counter('views', { flush: ledger.flush })
  for (let round = 1; round <= 5; round++) {
    await views.increment('a')
    await views.increment('a')
    // Redis executes it, and the answer is lost with the connection; the client sends it again on the next one.
    proxy.drop('toClient')
    t.equal(await views.increment('a'), 'kept')
    if (round % 2) await flusher.flush()
    await proxy.restore()
    proxy.cut()
    await pollUntil('it to be stored', () => unsent(one.writeBehind) === 0)
    await flusher.flush()
    t.equal(ledger.sum('a'), 3 * round)
  }
  // One that Redis never saw.
  proxy.drop('toServer')
  t.equal(await views.increment('a'), 'kept')
  await flusher.flush()
  t.equal(ledger.sum('a'), 15)
  await proxy.restore()
  proxy.cut()
  await pollUntil('it to be stored', () => unsent(one.writeBehind) === 0)
  await flusher.flush()
  t.equal(ledger.sum('a'), 16)
})

t.test('a put whose answer was lost is there once', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const { writeBehind } = await open(t, { redis: far(t, proxy), deadline: DEADLINE })
  const ledger = new Ledger<number[]>()
  const log = writeBehind.queue<number>('log', { flush: ledger.flush })
  await log.put('k', 0)
  for (let i = 1; i <= 4; i++) {
    proxy.drop(i % 2 ? 'toClient' : 'toServer')
    t.equal(await log.put('k', i), 'kept')
    await proxy.restore()
    proxy.cut()
    await pollUntil('it to be stored', () => unsent(writeBehind) === 0)
  }
  t.strictSame(await log.pending('k'), [0, 1, 2, 3, 4])
})

t.test('what is kept is bounded; with maxKept: 0 nothing is', async (t) => {
  const server = await start(t)
  const { app, writeBehind } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  const views = writeBehind.counter('views', { flush: () => {}, maxKept: 2 })
  const strict = writeBehind.counter('strict', { flush: () => {}, maxKept: 0 })
  await Promise.all([views.increment('a'), strict.increment('a')])
  const events: WriteBehindEvent[] = []
  const hear = (event: unknown): void => {
    if ((event as WriteBehindEvent).app === app.server) events.push(event as WriteBehindEvent)
  }
  subscribe('larder:write-behind', hear)
  t.teardown(() => unsubscribe('larder:write-behind', hear))
  await server.pause()
  t.equal(await codeOf(strict.increment('a')), 'LARDER_WRITE_BEHIND_IN_DOUBT')
  t.equal(await codeOf(strict.increment('a')), 'LARDER_WRITE_BEHIND_UNAVAILABLE')
  t.strictSame(await Promise.all([views.increment('b'), views.increment('c')]), ['kept', 'kept'])
  t.equal(await codeOf(views.increment('d')), 'LARDER_WRITE_BEHIND_UNAVAILABLE')
  t.equal(await views.increment('b'), 'kept', 'a key that is kept already takes no more room')
  t.equal(events.filter(({ type }) => type === 'kept').length, 3)
  t.match(
    events.filter(({ type }) => type === 'refused'),
    [
      { name: 'strict', reason: 'unavailable' },
      { name: 'views', reason: 'unavailable' },
    ],
  )
  server.resume()
  await pollUntil('all to be stored', () => unsent(writeBehind) === 0)
  t.equal(await strict.pending('a'), 2, 'what was in doubt had been taken')
  t.equal(await views.pending('b'), 2)
  t.equal(await views.pending('d'), 0)
})

t.test('started without Redis it keeps, and stores when Redis is there', async (t) => {
  const server = await start(t)
  await server.kill()
  const begun = performance.now()
  const redis = client(t, server, { retryStrategy: () => 20 })
  const { writeBehind } = await open(t, { redis, deadline: DEADLINE })
  t.ok(performance.now() - begun < 3_000, 'booting does not hang')
  const ledger = new Ledger<number>()
  const views = writeBehind.counter('views', { flush: ledger.flush })
  t.equal(await views.increment('a', 5), 'kept')
  await server.start()
  await pollUntil('all to be stored', () => unsent(writeBehind) === 0)
  await views.flush()
  t.strictSame(ledger.written, { a: [5] })
})

t.test('a Redis that was emptied takes what comes, and what this process had counted in the open batch', async (t) => {
  const server = await start(t)
  const { writeBehind } = await open(t, { redis: client(t, server) })
  const ledger = new Ledger<number>()
  const views = writeBehind.counter('views', { flush: ledger.flush })
  await views.increment('a', 1)
  await views.flush()
  await views.increment('a', 2)
  await server.cli('FLUSHALL')
  await views.increment('a', 4)
  await views.increment('b')
  await views.flush()
  await views.increment('a', 8)
  await views.flush()
  t.strictSame(ledger.written, { a: [1, 6, 8], b: [1] })
})

t.test('a full Redis refuses, loses nothing that it took, and goes on', async (t) => {
  const server = await start(t)
  const { writeBehind } = await open(t, { redis: client(t, server) })
  const ledger = new Ledger<number>()
  const views = writeBehind.counter('views', { flush: ledger.flush })
  await views.increment('a')
  await server.cli('CONFIG', 'SET', 'maxmemory', '1mb')
  t.equal(await codeOf(views.increment('a')), 'LARDER_WRITE_BEHIND_UNAVAILABLE')
  await server.cli('CONFIG', 'SET', 'maxmemory', '0')
  t.equal(await views.increment('a'), 'stored')
  await views.flush()
  t.strictSame(ledger.written, { a: [2] })
})

t.test('a flusher that lost its lease is told, and its late commit ends the batch', async (t) => {
  const server = await start(t)
  const one = await open(t, { redis: client(t, server) })
  const other = await open(t, { redis: client(t, server), namespace: one.namespace })
  const ledger = new Ledger<number>()
  const [reached, lost, held] = [gate(), gate(), gate()]
  ledger.before = ({ attempt, signal }) => {
    if (attempt > 1) return
    reached.open()
    signal.addEventListener('abort', () => lost.open())
    return held.opened
  }
  const options = { flush: ledger.flush, lease: 300 }
  const stalled = one.writeBehind.counter('views', options)
  await stalled.increment('a')
  const flushed = stalled.flush()
  await reached.opened
  const [lease] = (await server.cli<string[]>('KEYS', `${one.namespace}:*:lease`)) as [string]
  // As if this process had stood still for longer than its lease.
  await server.cli('DEL', lease)
  await other.writeBehind.counter('views', options).flush()
  t.strictSame(ledger.written, { a: [1] })
  t.strictSame(
    ledger.batches.map(({ attempt }) => attempt),
    [1, 2],
  )
  t.equal(ledger.batches[0]?.id, ledger.batches[1]?.id)
  t.ok((ledger.batches[0]?.fencingToken ?? 0n) < (ledger.batches[1]?.fencingToken ?? 0n))
  await lost.opened
  t.equal(ledger.batches[0]?.signal.reason.code, 'LARDER_WRITE_BEHIND_ABANDONED')
  held.open()
  await flushed
  t.strictSame(ledger.written, { a: [1] }, 'the id was recorded: not written again')
  await stalled.increment('a')
  await stalled.flush()
  t.strictSame(ledger.written, { a: [1, 1] })
})

t.test('a batch whose end Redis did not hear is not written again by the process that wrote it', async (t) => {
  const server = await start(t)
  const { writeBehind } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  const batches: string[] = []
  const views = writeBehind.counter('views', {
    lease: 300,
    flush: async ({ id }) => {
      batches.push(id)
      if (batches.length === 1) await server.pause()
    },
  })
  await views.increment('a')
  await codeOf(views.flush())
  server.resume()
  await pollUntil('the barrier', async () => (await codeOf(views.flush())) === undefined)
  t.equal(batches.length, 1)
})

t.test('closing without the database leaves the rest to the next process', async (t) => {
  const server = await start(t)
  const one = await open(t, { redis: client(t, server), closeTimeout: 100 })
  const [reached, stuck] = [gate(), gate()]
  const views = one.writeBehind.counter('views', {
    flush: () => {
      reached.open()
      return stuck.opened
    },
  })
  await views.increment('a', 3)
  const flushing = codeOf(views.flush())
  await reached.opened
  await views.increment('a', 4)
  const begun = performance.now()
  await one.app.close()
  t.ok(performance.now() - begun < 2_000)
  t.equal(await flushing, 'LARDER_WRITE_BEHIND_CLOSED')
  const next = await open(t, { redis: client(t, server), namespace: one.namespace })
  const ledger = new Ledger<number>()
  await next.writeBehind.counter('views', { flush: ledger.flush }).flush()
  t.strictSame(ledger.written, { a: [3, 4] })
  t.equal(ledger.batches[0]?.attempt, 1, 'what was given up did not count as a failure')
  t.strictSame(await leftOn([server], one.namespace), [])
})

t.test('closing without Redis says what is lost', async (t) => {
  const server = await start(t)
  const { app, writeBehind } = await open(t, { redis: client(t, server), deadline: DEADLINE })
  const views = writeBehind.counter('views', { flush: () => {} })
  await views.increment('a')
  await server.pause()
  await Promise.all([views.increment('a'), views.increment('b')])
  const lost: WriteBehindEvent[] = []
  const hear = (event: unknown): void => {
    if ((event as WriteBehindEvent).type === 'lost') lost.push(event as WriteBehindEvent)
  }
  subscribe('larder:write-behind', hear)
  t.teardown(() => unsubscribe('larder:write-behind', hear))
  await app.close()
  t.match(lost, [{ name: 'views', entries: 2 }])
  server.resume()
})

t.test('no rejection was left unhandled', async (t) => t.strictSame(unhandled, []))
