import type { Test } from 'tap'
import { codeOf, gate, Ledger, type Site } from './setup.js'

/** What becomes of a batch that fails. */
export function retrying(t: Test, site: Site): void {
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

/** Dead letters. */
export function burying(t: Test, site: Site): void {
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
