import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, gate, Ledger, type Site } from './setup.js'

/** Sums, by key. */
export function counting(t: Test, site: Site): void {
  t.test('increments are summed up by key and flushed as one batch', async (t) => {
    const opened = await site.open(t)
    const ledger = new Ledger<number>()
    const views = opened.writeBehind.counter('views', { flush: ledger.flush })
    const answers = await Promise.all([
      views.increment(42),
      views.increment('42', 2),
      views.increment(['product', 7], 5),
      views.increment('down', -3),
      views.increment('}{:%', 1),
      views.increment('nothing', 0),
    ])
    t.strictSame(new Set(answers), new Set(['stored']))
    await views.increment(42)
    await views.increment('down', 1)
    t.equal(await views.pending(42), 4)
    t.equal(await views.pending('down'), -2)
    t.equal(await views.pending('other'), 0)
    t.equal(ledger.batches.length, 0)
    await views.flush()
    t.strictSame(ledger.written, { 42: [4], 'product:7': [5], down: [-2], '}{:%': [1] })
    t.equal(ledger.batches.length, 1)
    t.match(ledger.batches[0], { name: 'views', shard: 0, attempt: 1 })
    t.equal(await views.pending(42), 0)
    await views.flush()
    t.equal(ledger.batches.length, 1, 'nothing waits, nothing is flushed')
    await views.increment(42, 10)
    await views.flush()
    t.strictSame(ledger.written['42'], [4, 10])
    t.not(ledger.batches[0]?.id, ledger.batches[1]?.id)
    t.ok((ledger.batches[0]?.fencingToken ?? 0n) < (ledger.batches[1]?.fencingToken ?? 0n))
    t.strictSame(await site.left(opened), [])
  })

  t.test('a batch is flushed by itself, `every` after its first entry', async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    const views = writeBehind.counter('views', { flush: ledger.flush, every: 300 })
    const begun = performance.now()
    await views.increment('a')
    await views.increment('a')
    await pollUntil('the flush', () => ledger.batches.length > 0)
    t.ok(performance.now() - begun >= 290, `${performance.now() - begun} ms`)
    t.strictSame(ledger.written, { a: [2] })
  })

  t.test('what is being flushed counts as pending until it is', async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    const [reached, held] = [gate(), gate()]
    ledger.before = () => {
      reached.open()
      return held.opened
    }
    const views = writeBehind.counter('views', { flush: ledger.flush })
    await views.increment('a', 3)
    const flushed = views.flush()
    await reached.opened
    await views.increment('a', 4)
    t.equal(await views.pending('a'), 7)
    held.open()
    await flushed
    t.equal(await views.pending('a'), 4)
    t.strictSame(ledger.written, { a: [3] })
  })

  t.test('what cannot be counted is refused', async (t) => {
    const { writeBehind } = await site.open(t)
    const views = writeBehind.counter('views', { flush: () => {} })
    for (const by of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '1' as unknown as number])
      t.equal(await codeOf(views.increment('a', by)), 'LARDER_WRITE_BEHIND_INVALID_VALUE')
    t.equal(await codeOf(views.increment('x'.repeat(201))), 'LARDER_INVALID_KEY')
    t.equal(await codeOf(views.increment('')), 'LARDER_INVALID_KEY')
    t.equal(await views.increment('x'.repeat(200)), 'stored')
    const [one, two] = await Promise.all([
      codeOf(views.increment('most', Number.MAX_SAFE_INTEGER)),
      codeOf(views.increment('most', 1)),
    ])
    t.strictSame([one, two], [undefined, 'LARDER_WRITE_BEHIND_INVALID_VALUE'])
  })

  t.test('a name is taken once', async (t) => {
    const { writeBehind } = await site.open(t)
    writeBehind.counter('views', { flush: () => {} })
    t.throws(() => writeBehind.queue('views', { flush: () => {} }), { code: 'LARDER_WRITE_BEHIND_NAME_TAKEN' })
  })
}

/** Values, by key. */
export function queueing(t: Test, site: Site): void {
  t.test("with coalesce: 'all' a batch has every value, in order per key", async (t) => {
    const opened = await site.open(t)
    const ledger = new Ledger<unknown[]>()
    const log = opened.writeBehind.queue<unknown>('log', { flush: ledger.flush })
    const values = [1, 'zwei', null, { a: ['}', '"'] }, false]
    for (const value of values) await log.put('k', value)
    await Promise.all([log.put('l', 1), log.put('l', 2), log.put('"k', 3)])
    t.strictSame(await log.pending('k'), values)
    t.strictSame(await log.pending('none'), [])
    await log.flush()
    t.strictSame(ledger.written, { k: [values], l: [[1, 2]], '"k': [[3]] })
    t.strictSame(await log.pending('k'), [])
    t.strictSame(await site.left(opened), [])
  })

  t.test("with coalesce: 'last' a batch has the last value of each key", async (t) => {
    const opened = await site.open(t)
    const ledger = new Ledger<{ n: number } | null>()
    const edits = opened.writeBehind.queue<{ n: number } | null>('edits', { coalesce: 'last', flush: ledger.flush })
    await edits.put('k', { n: 1 })
    await Promise.all([edits.put('k', { n: 2 }), edits.put('l', { n: 1 }), edits.put('k', { n: 3 })])
    t.strictSame(await edits.pending('k'), { n: 3 })
    t.equal(await edits.pending('none'), undefined)
    await edits.flush()
    t.strictSame(ledger.written, { k: [{ n: 3 }], l: [{ n: 1 }] })
    await edits.put('k', null)
    t.equal(await edits.pending('k'), null)
    await edits.flush()
    t.strictSame(ledger.written, { k: [{ n: 3 }, null], l: [{ n: 1 }] })
    t.strictSame(await site.left(opened), [])
  })

  t.test("with coalesce: 'sum' it is a counter", async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    const stock = writeBehind.queue('stock', { coalesce: 'sum', flush: ledger.flush })
    await Promise.all([stock.put('k', 2), stock.put('k', -5)])
    t.equal(await stock.pending('k'), -3)
    t.equal(await codeOf(stock.put('k', 0.5)), 'LARDER_WRITE_BEHIND_INVALID_VALUE')
    await stock.flush()
    t.strictSame(ledger.written, { k: [-3] })
  })

  t.test('what JSON cannot say is refused', async (t) => {
    const { writeBehind } = await site.open(t)
    const log = writeBehind.queue<unknown>('log', { flush: () => {} })
    const circle: { self?: unknown } = {}
    circle.self = circle
    for (const value of [undefined, () => {}, Symbol('x'), 1n, circle])
      t.equal(await codeOf(log.put('k', value)), 'LARDER_WRITE_BEHIND_INVALID_VALUE')
  })
}
