import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, gate, Ledger, type Site } from './setup.js'

/** Back-pressure. */
export function pressing(t: Test, site: Site): void {
  t.test('what does not fit is refused, and fits again after a flush', async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    const held = gate()
    ledger.before = () => held.opened
    const views = writeBehind.counter('views', { flush: ledger.flush, maxPending: 3 })
    const codes = await Promise.all(['a', 'b', 'c', 'a', 'd', 'e'].map((key) => codeOf(views.increment(key))))
    // At half of it a batch was taken, and while that is flushed three more may wait.
    t.strictSame(codes.filter(Boolean), ['LARDER_WRITE_BEHIND_FULL', 'LARDER_WRITE_BEHIND_FULL'])
    await pollUntil('a flush ahead of time', () => ledger.batches.length > 0)
    for (const key of ['f', 'g', 'h']) t.equal(await views.increment(key), 'stored')
    t.equal(await codeOf(views.increment('i')), 'LARDER_WRITE_BEHIND_FULL')
    t.equal(await views.increment('f'), 'stored', 'a key that waits already takes no room')
    held.open()
    await views.flush()
    t.equal(await views.increment('i'), 'stored')
    await views.flush()
    t.equal(
      ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].reduce((total, key) => total + ledger.sum(key), 0),
      9,
    )
  })

  for (const coalesce of ['all', 'last'] as const) {
    t.test(`a queue with coalesce: '${coalesce}' refuses what does not fit`, async (t) => {
      const { writeBehind } = await site.open(t)
      const options = { flush: () => new Promise(() => {}), maxPending: 2, coalesce: coalesce as 'all' }
      const queue = writeBehind.queue<number>('q', options)
      const codes = await Promise.all(['a', 'b', 'c'].map((key, i) => codeOf(queue.put(key, i))))
      t.strictSame(codes, [undefined, undefined, 'LARDER_WRITE_BEHIND_FULL'])
    })
  }

  t.test("with onFull: 'wait' an entry waits for room, in its order, and not for ever", async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number[]>()
    const held = gate()
    ledger.before = () => held.opened
    const log = writeBehind.queue<number>('log', { flush: ledger.flush, maxPending: 2, onFull: 'wait', wait: '20s' })
    const puts = Promise.all(Array.from({ length: 20 }, (_, i) => log.put('k', i)))
    held.open()
    t.strictSame(new Set(await puts), new Set(['stored']))
    await log.flush()
    t.strictSame(
      ledger.batches.flatMap(({ entries }) => entries.get('k') ?? []),
      Array.from({ length: 20 }, (_, i) => i),
    )
    const short = writeBehind.queue<number>('short', {
      flush: () => new Promise(() => {}),
      maxPending: 1,
      onFull: 'wait',
      wait: 60,
    })
    await short.put('k', 1)
    const codes = await Promise.all([codeOf(short.put('k', 2)), codeOf(short.put('k', 3))])
    t.ok(codes.includes('LARDER_WRITE_BEHIND_FULL'))
  })
}

/** Several processes. */
export function sharing(t: Test, site: Site): void {
  t.test('processes share keys; a batch has what all of them added, and one flushes', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const ledger = new Ledger<number>()
    const a = one.writeBehind.counter('views', { flush: ledger.flush })
    const b = other.writeBehind.counter('views', { flush: ledger.flush })
    const adder = await site.peer(t, one)
    const c = adder.writeBehind.counter('views', { flush: false })
    for (let i = 0; i < 5; i++) await Promise.all([a.increment('k'), b.increment('k'), c.increment('k', -1)])
    t.equal(await c.pending('k'), 5)
    await Promise.all([a.flush(), b.flush(), c.flush()])
    t.equal(ledger.sum('k'), 5)
    t.equal(ledger.batches.length, 1)
    await Promise.all([a.increment('k', 2), b.increment('k', 2)])
    await b.flush()
    t.equal(ledger.sum('k'), 9)
    t.equal(await a.pending('k'), 0)
  })

  t.test('a barrier waits for the batch that another process flushes', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const ledger = new Ledger<number>()
    const [reached, held] = [gate(), gate()]
    ledger.before = () => {
      reached.open()
      return held.opened
    }
    const a = one.writeBehind.counter('views', { flush: ledger.flush })
    const b = other.writeBehind.counter('views', { flush: ledger.flush })
    await a.increment('k')
    const first = a.flush()
    await reached.opened
    let through = false
    const second = b.flush().then(() => {
      through = true
    })
    t.equal(await codeOf(b.flush({ timeout: 60 })), 'LARDER_WRITE_BEHIND_TIMEOUT')
    t.equal(through, false)
    t.equal(ledger.batches.length, 1, 'one at a time')
    held.open()
    await Promise.all([first, second])
    t.strictSame(ledger.written, { k: [1] })
  })

  t.test('shards are flushed at the same time; each key is in one of them', async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    const all = gate()
    ledger.before = () => {
      if (ledger.batches.length === 4) all.open()
      return all.opened
    }
    const views = writeBehind.counter('views', { flush: ledger.flush, shards: 4 })
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`)
    await Promise.all([...keys, ...keys].map((key) => views.increment(key)))
    await views.flush()
    t.strictSame(new Set(ledger.batches.map(({ shard }) => shard)), new Set([0, 1, 2, 3]))
    t.strictSame(ledger.written, Object.fromEntries(keys.map((key) => [key, [2]])))
  })
}

/** The end of an application. */
export function closing(t: Test, site: Site): void {
  t.test('closing flushes what waits', async (t) => {
    const opened = await site.open(t, { closeTimeout: '10s' })
    const ledger = new Ledger<number>()
    const views = opened.writeBehind.counter('views', { flush: ledger.flush })
    await views.increment('a', 2)
    await opened.app.close()
    t.strictSame(ledger.written, { a: [2] })
    t.equal(await codeOf(views.increment('a')), 'LARDER_WRITE_BEHIND_CLOSED')
  })
}
