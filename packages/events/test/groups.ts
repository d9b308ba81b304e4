import type { Handled, Invalid } from '@larder/events'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { payloads, positive, type Site, take } from './setup.js'

const QUICK = { backoff: { first: 1, longest: 5 } }

/** What groups of consumers do wherever events go. */
export function groups(t: Test, site: Site): void {
  t.test('every group has every entry, each by one of its consumers, over all processes', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const stream = one.events.stream<number>('orders')
    for (let n = 0; n < 20; n++) await stream.add(n)
    const seen: Record<string, number[]> = { a: [], b: [], mailer: [] }
    const consume = (where: typeof one, group: string, list: string): unknown =>
      where.events.stream<number>('orders').consume(group, ({ payload }) => void seen[list]?.push(payload), {
        concurrency: 3,
      })
    consume(one, 'biller', 'a')
    consume(other, 'biller', 'b')
    consume(other, 'mailer', 'mailer')
    for (let n = 20; n < 200; n++) await stream.add(n)
    const all = Array.from({ length: 200 }, (_, n) => n)
    const both = (): number[] => [...(seen.a ?? []), ...(seen.b ?? [])].sort((x, y) => x - y)
    await pollUntil('all to be handled', () => both().length >= 200 && (seen.mailer?.length ?? 0) >= 200)
    t.strictSame(both(), all)
    t.strictSame(
      seen.mailer?.sort((x, y) => x - y),
      all,
    )
  })

  t.test('one at a time, entries are handled in order; more only as many as allowed', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders')
    for (let n = 0; n < 30; n++) await stream.add(n)
    const order: number[] = []
    let running = 0
    let most = 0
    const slowly = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running--
    }
    const inOrder = stream.consume('one', async ({ payload }) => {
      await slowly()
      order.push(payload)
    })
    await pollUntil('all to be handled', () => order.length === 30)
    t.strictSame(
      order,
      Array.from({ length: 30 }, (_, n) => n),
    )
    t.equal(most, 1)
    await inOrder.stop()
    let count = 0
    most = 0
    stream.consume(
      'four',
      async () => {
        await slowly()
        count++
      },
      { concurrency: 4 },
    )
    await pollUntil('all to be handled', () => count === 30)
    t.equal(most, 4)
  })

  t.test('a new group begins at the start, from now on, or after an id', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders')
    const ids: string[] = []
    for (let n = 0; n < 3; n++) ids.push(await stream.add(n))
    const seen: Record<string, number[]> = {}
    for (const from of ['start', 'now', ids[1] as string]) {
      seen[from] = []
      stream.consume(`group ${from}`, ({ payload }) => void seen[from]?.push(payload), { from })
    }
    await pollUntil('the old ones', () => seen.start?.length === 3 && seen[ids[1] as string]?.length === 1)
    // A group that begins now has begun when it holds what comes now.
    await pollUntil('the new one', async () => {
      await stream.add(9)
      return (seen.now?.length ?? 0) > 0
    })
    t.strictSame(seen.start?.slice(0, 3), [0, 1, 2])
    t.strictSame(seen[ids[1] as string]?.[0], 2)
    t.ok(seen.now?.every((n) => n === 9))
  })

  t.test('a handler that fails is tried again after a while; the others go on meanwhile', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders')
    const ids: string[] = []
    for (let n = 0; n < 3; n++) ids.push(await stream.add(n))
    const seen: Pick<Handled<number>, 'id' | 'payload' | 'attempt'>[] = []
    const begun = performance.now()
    stream.consume(
      'mailer',
      ({ id, payload, attempt }) => {
        seen.push({ id, payload, attempt })
        if (payload === 0 && attempt < 4) throw new Error(`attempt ${attempt}`)
      },
      { backoff: { first: 20, longest: 50 } },
    )
    await pollUntil('the last attempt', () => seen.length === 6)
    t.ok(performance.now() - begun >= 20 + 40 + 50 - 5)
    t.strictSame(
      seen.map(({ id, payload, attempt }) => [id, payload, attempt]),
      [
        [ids[0], 0, 1],
        [ids[1], 1, 1],
        [ids[2], 2, 1],
        [ids[0], 0, 2],
        [ids[0], 0, 3],
        [ids[0], 0, 4],
      ],
    )
    t.equal(await stream.deadLetters('mailer').count(), 0)
  })

  t.test('what fails at every attempt is a dead letter: listed, replayed for its group only, discarded', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<{ n: number }>('orders')
    const graves = stream.deadLetters('mailer')
    let broken = true
    const seen: [string, number, number][] = []
    const others: number[] = []
    stream.consume(
      'mailer',
      ({ id, payload, attempt }) => {
        seen.push([id, payload.n, attempt])
        if (payload.n % 2 && broken) throw new Error(`no letter ${payload.n}`)
      },
      { ...QUICK, attempts: 3, concurrency: 2 },
    )
    stream.consume('biller', ({ payload }) => void others.push(payload.n))
    const reading = stream.read({ after: '0' })
    const ids: string[] = []
    for (let n = 0; n < 4; n++) ids.push(await stream.add({ n }))
    await pollUntil('the dead letters', async () => (await graves.count()) === 2)
    const letters = await graves.list()
    t.match(
      letters
        .map(({ entry, attempts, reason, raw }) => ({ entry, attempts, reason, raw }))
        .sort((a, b) => (a.raw < b.raw ? -1 : 1)),
      [
        { entry: ids[1], attempts: 3, reason: 'no letter 1', raw: '{"n":1}' },
        { entry: ids[3], attempts: 3, reason: 'no letter 3', raw: '{"n":3}' },
      ],
    )
    t.ok(Math.abs((letters[0]?.at.getTime() ?? 0) - Date.now()) < 60_000)
    t.strictSame(await graves.list({ after: letters[0]?.id as string }), letters.slice(1))
    t.strictSame(await graves.list({ limit: 1 }), letters.slice(0, 1))

    broken = false
    seen.length = 0
    const [first, second] = letters
    t.equal(await graves.replay(first?.id as string, '1-1'), 1)
    await pollUntil('the replay', () => seen.length === 1)
    t.strictSame(seen, [[first?.entry, JSON.parse(first?.raw ?? '').n, 1]])
    t.equal(await graves.discard(second?.id as string), 1)
    t.equal(await graves.count(), 0)
    await stream.add({ n: 4 })
    await pollUntil('the others', () => others.includes(4))
    t.strictSame(others, [0, 1, 2, 3, 4])
    t.strictSame(
      payloads(await take(reading, 5)).map((payload) => (payload as { n: number }).n),
      [0, 1, 2, 3, 4],
    )
  })

  t.test('what fails again after a replay is a dead letter again; all at once', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders')
    const graves = stream.deadLetters('mailer')
    stream.consume('mailer', () => Promise.reject(new Error('never')), { ...QUICK, attempts: 1, concurrency: 50 })
    for (let n = 0; n < 150; n++) await stream.add(n)
    await pollUntil('the dead letters', async () => (await graves.count()) === 150)
    const before = await graves.list({ limit: 500 })
    t.equal(await graves.replay(), 150)
    await pollUntil('the dead letters', async () => (await graves.count()) === 150)
    const entries = (letters: { entry: string }[]): string[] => letters.map(({ entry }) => entry).sort()
    t.strictSame(entries(await graves.list({ limit: 500 })), entries(before))
    t.equal(await graves.discard(), 150)
    t.equal(await graves.count(), 0)
  })

  t.test('what cannot be read is told to onInvalid once, and is a dead letter', async (t) => {
    const { events } = await site.open(t)
    const invalid: Invalid[] = []
    const seen: number[] = []
    const numbers = events.stream('numbers', { schema: positive, onInvalid: (one) => invalid.push(one) })
    await events.stream('numbers').add(-1)
    await numbers.add(1)
    numbers.consume('sum', ({ payload }) => void seen.push(payload))
    const graves = numbers.deadLetters('sum')
    await pollUntil('both', async () => seen.length === 1 && (await graves.count()) === 1)
    t.equal(invalid.length, 1)
    t.match(await graves.list(), [{ raw: '-1', attempts: 1, reason: /not a number over 0/ }])
  })

  t.test('stopping waits for the handlers under way, and gives back what has not begun', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const stream = one.events.stream<number>('orders')
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const mine: number[] = []
    const consumer = stream.consume(
      'mailer',
      async ({ payload }) => {
        if (payload === 1) throw new Error('later')
        await gate
        mine.push(payload)
      },
      { concurrency: 3, backoff: { first: '1h', longest: '1h' } },
    )
    for (let n = 0; n < 3; n++) await stream.add(n)
    await pollUntil('all to be held', () => consumer.held === 3)
    let stopped = false
    const stopping = consumer.stop().then(() => {
      stopped = true
    })
    await stream.add(3)
    t.equal(stopped, false)
    release()
    await stopping
    t.strictSame(mine, [0, 2])
    const theirs: [number, number][] = []
    other.events.stream<number>('orders').consume('mailer', ({ payload, attempt }) => {
      theirs.push([payload, attempt])
    })
    await pollUntil('the rest', () => theirs.length === 2)
    t.strictSame(theirs.sort(), [
      [1, 2],
      [3, 1],
    ])
  })

  t.test('a handler that does not end in time is told, and another consumer has its entry at once', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const stream = one.events.stream<number>('orders')
    await stream.add(1)
    let reason: unknown
    const consumer = stream.consume(
      'mailer',
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            resolve(undefined)
          })
        }),
      { stopTimeout: 20 },
    )
    await pollUntil('it to be held', () => consumer.held === 1)
    const attempts: number[] = []
    await consumer.stop()
    t.match(reason, { message: /stopped/ })
    other.events.stream('orders').consume('mailer', ({ attempt }) => void attempts.push(attempt))
    await pollUntil(
      'it, unless it was acknowledged after all',
      async () => attempts.length === 1 || consumer.held === 0,
    )
  })

  t.test('entries that were trimmed before the group had them are told of', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders', { maxLength: 10 })
    const gaps: string[] = []
    const seen: number[] = []
    const first = stream.consume('mailer', ({ payload }) => void seen.push(payload))
    await stream.add(0)
    await pollUntil('the first', () => seen.length === 1)
    await first.stop()
    for (let n = 1; n < 500; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => stream.add(n + i)))
    stream.consume('mailer', ({ payload }) => void seen.push(payload), {
      concurrency: 100,
      onGap: ({ reason }) => gaps.push(reason),
    })
    await pollUntil('the last', () => seen.includes(500))
    t.strictSame(gaps, ['trimmed'])
    t.ok(seen.length < 400)
    const fresh: string[] = []
    let count = 0
    stream.consume('new', () => void count++, { concurrency: 100, onGap: ({ reason }) => fresh.push(reason) })
    await pollUntil('what is kept', () => count > 0)
    t.strictSame(fresh, [])
  })

  t.test('closing the application waits for handlers under way', async (t) => {
    const { app, events } = await site.open(t)
    const stream = events.stream<number>('orders')
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    let done = false
    const consumer = stream.consume('mailer', async () => {
      await gate
      done = true
    })
    await stream.add(1)
    await pollUntil('it to be held', () => consumer.held === 1)
    const closing = app.close()
    setImmediate(release)
    await closing
    t.equal(done, true)
    t.equal(consumer.held, 0)
  })

  t.test('options are checked', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream('orders')
    const handler = (): void => {}
    for (const options of [
      { concurrency: 0 },
      { attempts: 0.5 },
      { claimAfter: -1 },
      { from: 'yesterday' },
      { backoff: { first: -1 } },
      { backoff: { frist: 1 } },
      { unknown: true },
    ])
      t.throws(() => stream.consume('mailer', handler, options as never), { code: 'LARDER_INVALID_OPTION' })
    t.throws(() => stream.consume('mailer', undefined as never), { code: 'LARDER_INVALID_OPTION' })
    t.throws(() => stream.consume('', handler), { code: 'LARDER_INVALID_KEY' })
  })
}
