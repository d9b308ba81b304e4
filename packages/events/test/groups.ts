import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import type { Site } from './setup.js'

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
