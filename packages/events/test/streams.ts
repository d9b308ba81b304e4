import type { Invalid } from '@larder/events'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, payloads, positive, type Site, take } from './setup.js'

/** What streams do wherever events go. */
export function streams(t: Test, site: Site): void {
  t.test('a stream is read from the start, from an id, and from now on, by every process', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const [mine, theirs] = [one.events.stream<number>('orders'), other.events.stream<number>('orders')]
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.push(await (n % 2 ? mine : theirs).add(n))
    t.strictSame(ids, [...ids].sort())
    const fresh = theirs.read()
    t.equal(fresh.guarantee, 'resumable')
    await fresh.ready
    const all = mine.read({ after: '0' })
    const rest = theirs.read({ after: ids[2] })
    t.strictSame(payloads(await take(all, 5)), [0, 1, 2, 3, 4])
    t.strictSame(payloads(await take(rest, 2)), [3, 4])
    for (let n = 5; n < 8; n++) ids.push(await mine.add(n))
    t.strictSame(payloads(await take(all, 3)), [5, 6, 7])
    t.strictSame(payloads(await take(rest, 3)), [5, 6, 7])
    const entries = await take(fresh, 3)
    t.strictSame(
      entries.map(({ id, payload, gap }) => [id, payload, gap]),
      [5, 6, 7].map((n) => [ids[n], n, false]),
    )
  })

  t.test('many readers, fast and slow, each get every entry once, in order', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const stream = one.events.stream<number>('orders')
    const readers = Array.from({ length: 20 }, (_, i) => (i % 2 ? one : other).events.stream<number>('orders').read())
    await Promise.all(readers.map(({ ready }) => ready))
    const COUNT = 1_500
    const half = readers.slice(0, 10).map((reader) => take(reader, COUNT))
    for (let n = 0; n < COUNT; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => stream.add(n + i)))
    const expected = Array.from({ length: COUNT }, (_, n) => n)
    for (const entries of await Promise.all([...half, ...readers.slice(10).map((reader) => take(reader, COUNT))])) {
      t.strictSame(
        payloads(entries).sort((a, b) => (a as number) - (b as number)),
        expected,
      )
      t.ok(entries.every(({ gap }, i) => !gap && (i === 0 || compare(entries[i - 1]?.id, entries[i]?.id) < 0)))
    }
  })

  t.test('a stream longer than a process keeps of it is read whole, from the start and from the middle', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders')
    const COUNT = 2_600
    const ids: string[] = []
    const all = Array.from({ length: COUNT }, (_, n) => n)
    const early = take(stream.read({ after: '0' }), COUNT)
    for (let n = 0; n < COUNT; n += 100)
      ids.push(...(await Promise.all(Array.from({ length: 100 }, (_, i) => stream.add(n + i)))))
    const late = take(stream.read({ after: '0' }), COUNT)
    const middle = take(stream.read({ after: ids[99] }), COUNT - 100)
    t.strictSame(payloads(await early), all)
    t.strictSame(payloads(await late), all)
    t.strictSame(payloads(await middle), all.slice(100))
  })

  t.test('a stream that was trimmed beyond the place that is read from tells of a gap', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders', { maxLength: 100 })
    const first = await stream.add(0)
    const gaps: string[] = []
    const reading = stream.read({ after: first, onGap: ({ reason }) => gaps.push(reason) })
    await stream.add(1)
    t.strictSame(await take(reading, 1).then(([entry]) => [entry?.payload, entry?.gap]), [1, false])
    for (let n = 2; n < 1_000; n += 50) await Promise.all(Array.from({ length: 50 }, (_, i) => stream.add(n + i)))
    const late = stream.read({ after: first, onGap: ({ reason }) => gaps.push(reason) })
    const [entry, next] = await take(late, 2)
    t.equal(entry?.gap, true)
    t.equal(next?.gap, false)
    t.ok((entry?.payload as number) > 1)
    t.ok(gaps.includes('trimmed'))
    const known = await stream.add(-1)
    const fine = stream.read({ after: known })
    await stream.add(-2)
    t.strictSame(await take(fine, 1).then(([entry]) => [entry?.payload, entry?.gap]), [-2, false])
  })

  t.test('what is read from an id that is beyond the end begins anew, with a gap', async (t) => {
    const { events } = await site.open(t)
    const stream = events.stream<number>('orders')
    await stream.add(1)
    const reading = stream.read({ after: '99999999999999-0' })
    const heard: unknown[] = []
    const next = take(reading, 1).then(([entry]) => heard.push([entry?.payload, entry?.gap]))
    // Where it ends is known when the reader has asked: what is added before that is not after it.
    await pollUntil('an entry after the end', async () => {
      await stream.add(2)
      return heard.length > 0
    })
    await next
    t.strictSame(heard, [[2, true]])
  })

  t.test('what the schema refuses goes to onInvalid, with its id', async (t) => {
    const { events } = await site.open(t)
    const invalid: Invalid[] = []
    const anything = events.stream('numbers')
    const numbers = events.stream('numbers', { schema: positive, onInvalid: (one) => invalid.push(one) })
    t.equal(await codeOf(numbers.add(-1)), 'LARDER_EVENTS_INVALID_PAYLOAD')
    await numbers.add(1)
    const bad = await anything.add('two')
    await numbers.add(3)
    t.strictSame(payloads(await take(numbers.read({ after: '0' }), 2)), [1, 3])
    t.strictSame(
      invalid.map(({ carrier, name, id, raw }) => [carrier, name, id, raw]),
      [['stream', 'numbers', bad, '"two"']],
    )
  })

  t.test('a reading ends by its signal, by leaving the loop and with the application', async (t) => {
    const { app, events } = await site.open(t)
    const stream = events.stream<number>('orders')
    await stream.add(1)
    for await (const { payload } of stream.read({ after: '0' })) {
      t.equal(payload, 1)
      break
    }
    const controller = new AbortController()
    const bySignal = stream.read({ signal: controller.signal })
    const waiting = bySignal.next()
    await bySignal.ready
    controller.abort()
    t.strictSame(await waiting, { done: true, value: undefined })
    const open = stream.read().next()
    await app.close()
    t.strictSame(await open, { done: true, value: undefined })
    t.equal(await codeOf(stream.add(2)), 'LARDER_EVENTS_UNAVAILABLE')
  })

  t.test('an id that is none is refused', async (t) => {
    const { events } = await site.open(t)
    for (const after of ['x', '1-2-3', '', '-1'])
      t.throws(() => events.stream('orders').read({ after }), { code: 'LARDER_INVALID_OPTION' })
  })
}

function compare(a = '', b = ''): number {
  const [aTime = 0, aCount = 0] = a.split('-').map(Number)
  const [bTime = 0, bCount = 0] = b.split('-').map(Number)
  return aTime - bTime || aCount - bCount
}
