import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, gate, Ledger, type Site } from './setup.js'

/** What counters and queues do wherever entries are kept. */
export function behaves(t: Test, site: Site): void {
  counting(t, site)
  queueing(t, site)
  retrying(t, site)
  burying(t, site)
  pressing(t, site)
  sharing(t, site)
  closing(t, site)
}

function counting(t: Test, site: Site): void {
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

function queueing(t: Test, site: Site): void {
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

function retrying(t: Test, site: Site): void {
  t.test('a batch that fails is tried again under its id, and the next one waits', async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    ledger.before = async ({ attempt }) => {
      if (attempt === 1 && ledger.batches.length === 1) await views.increment('a', 10)
      if (attempt < 3 && ledger.batches.length <= 3) throw new Error('the database is away')
    }
    const views = writeBehind.counter('views', { flush: ledger.flush })
    await views.increment('a')
    await views.flush()
    const first = ledger.batches.slice(0, 3)
    t.strictSame(
      first.map(({ attempt, entries }) => [attempt, entries.get('a')]),
      [
        [1, 1],
        [2, 1],
        [3, 1],
      ],
    )
    t.equal(new Set(first.map(({ id }) => id)).size, 1)
    const tokens = ledger.batches.map(({ fencingToken }) => fencingToken)
    t.ok(tokens.every((token, i) => i === 0 || token > (tokens[i - 1] as bigint)))
    await views.flush()
    t.equal(await views.pending('a'), 0)
    t.strictSame(ledger.written, { a: [1, 10] })
  })

  t.test('a batch whose answer was lost is written once', async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    ledger.after = ({ attempt }) => {
      if (attempt === 1) throw new Error('the connection was lost after the commit')
    }
    const views = writeBehind.counter('views', { flush: ledger.flush })
    await views.increment('a')
    await views.flush()
    t.equal(ledger.batches.length, 2)
    t.strictSame(ledger.written, { a: [1] })
  })

  t.test('waits between attempts grow, up to a limit', async (t) => {
    const { writeBehind } = await site.open(t)
    const times: number[] = []
    const views = writeBehind.counter('views', {
      retryDelay: 60,
      maxRetryDelay: 130,
      attempts: 4,
      flush: () => {
        times.push(performance.now())
        throw new Error('no')
      },
    })
    await views.increment('a')
    t.equal(await codeOf(views.flush()), 'LARDER_WRITE_BEHIND_DEAD_LETTER')
    const waits = times.slice(1).map((time, i) => time - (times[i] as number))
    t.ok((waits[0] as number) >= 29 && (waits[1] as number) >= 59 && (waits[2] as number) >= 64, waits.join(' '))
  })

  t.test('an attempt that takes too long is told so, and tried again', async (t) => {
    const { writeBehind } = await site.open(t)
    const reasons: unknown[] = []
    const views = writeBehind.counter('views', {
      timeout: 50,
      flush: ({ attempt, signal }) =>
        attempt > 1 ||
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason.code)
            reject(signal.reason)
          })
        }),
    })
    await views.increment('a')
    await views.flush()
    t.strictSame(reasons, ['LARDER_WRITE_BEHIND_ABANDONED'])
  })

  t.test('a barrier can be given up', async (t) => {
    const { writeBehind } = await site.open(t)
    const held = gate()
    const views = writeBehind.counter('views', { flush: () => held.opened })
    await views.increment('a')
    t.equal(await codeOf(views.flush({ timeout: 30 })), 'LARDER_WRITE_BEHIND_TIMEOUT')
    const controller = new AbortController()
    const flushed = views.flush({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await t.rejects(flushed, { message: 'enough' })
    await t.rejects(views.flush({ signal: controller.signal }), { message: 'enough' })
    held.open()
    await views.flush()
    t.equal(await views.pending('a'), 0)
  })
}

function burying(t: Test, site: Site): void {
  t.test('a poisoned batch ends in the dead letters, and the rest goes on', async (t) => {
    const opened = await site.open(t)
    const ledger = new Ledger<number>()
    ledger.before = ({ entries }) => {
      if (entries.has('poison')) throw new TypeError('no such row')
    }
    const views = opened.writeBehind.counter('views', { flush: ledger.flush, attempts: 2 })
    await views.increment('poison', 3)
    await views.increment('bystander')
    t.equal(await codeOf(views.flush()), 'LARDER_WRITE_BEHIND_DEAD_LETTER')
    await views.increment('a')
    await views.flush()
    t.strictSame(ledger.written, { a: [1] })
    t.equal(await views.pending('poison'), 0)
    const [letter, ...others] = await views.deadLetters.list()
    t.strictSame(others, [])
    t.match(letter, { id: ledger.batches[0]?.id, attempts: 2, error: 'TypeError: no such row' })
    t.strictSame([...(letter?.entries ?? [])].sort(), [
      ['bystander', 1],
      ['poison', 3],
    ])
    t.ok(Math.abs(Date.now() - Number(letter?.failedAt)) < 60_000)

    ledger.before = () => {}
    t.equal(await views.deadLetters.replay('unknown'), false)
    t.equal(await views.deadLetters.replay(letter?.id ?? ''), true)
    t.equal(await views.pending('poison'), 3)
    await views.flush()
    t.strictSame(ledger.written, { a: [1], poison: [3], bystander: [1] })
    t.equal(ledger.batches.at(-1)?.id, letter?.id)
    t.equal(ledger.batches.at(-1)?.attempt, 1)
    t.strictSame(await views.deadLetters.list(), [])
    t.strictSame(await site.left(opened), [])
  })

  t.test('an error that will not go away makes a dead letter at once', async (t) => {
    const opened = await site.open(t)
    const ledger = new Ledger<string[]>()
    ledger.before = () => {
      throw new Error('23514')
    }
    const log = opened.writeBehind.queue<string>('log', {
      flush: ledger.flush,
      retry: (error, attempt) => attempt < 1 || (error as Error).message !== '23514',
    })
    await log.put('a', 'x')
    t.equal(await codeOf(log.flush()), 'LARDER_WRITE_BEHIND_DEAD_LETTER')
    t.equal(ledger.batches.length, 1)
    const [letter] = await log.deadLetters.list()
    t.strictSame(letter?.entries, new Map([['a', ['x']]]))
    t.equal(await log.deadLetters.discard(letter?.id ?? ''), true)
    t.equal(await log.deadLetters.discard(letter?.id ?? ''), false)
    t.equal(await log.deadLetters.replay(letter?.id ?? ''), false)
    t.strictSame(await site.left(opened), [])
  })

  t.test('a letter is replayed after the batch that is being flushed', async (t) => {
    const { writeBehind } = await site.open(t)
    const ledger = new Ledger<number>()
    ledger.before = () => {
      throw new Error('no')
    }
    const views = writeBehind.counter('views', { flush: ledger.flush, attempts: 1 })
    await views.increment('a')
    await codeOf(views.flush())
    const [letter] = await views.deadLetters.list()
    const [reached, held] = [gate(), gate()]
    ledger.before = () => {
      reached.open()
      return held.opened
    }
    await views.increment('b')
    const flushed = views.flush()
    await reached.opened
    const controller = new AbortController()
    const given = views.deadLetters.replay(letter?.id ?? '', { signal: controller.signal })
    controller.abort()
    await t.rejects(given)
    const replayed = views.deadLetters.replay(letter?.id ?? '')
    held.open()
    t.equal(await replayed, true)
    await flushed
    await views.flush()
    t.strictSame(ledger.written, { b: [1], a: [1] })
  })
}

function pressing(t: Test, site: Site): void {
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

function sharing(t: Test, site: Site): void {
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

function closing(t: Test, site: Site): void {
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
