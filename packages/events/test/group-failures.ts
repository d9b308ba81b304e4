import type { Handled, Invalid } from '@larder/events'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { payloads, positive, type Site, take } from './setup.js'

const QUICK = { backoff: { first: 1, longest: 5 } }

/** Attempts and dead letters of groups, wherever events go. */
export function groupFailures(t: Test, site: Site): void {
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
}
