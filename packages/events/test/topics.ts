import { setTimeout as sleep } from 'node:timers/promises'
import type { Invalid, Message } from '@larder/events'
import type { Test } from 'tap'
import { codeOf, payloads, positive, type Site, take } from './setup.js'

/** What topics do wherever events go. */
export function topics(t: Test, site: Site): void {
  t.test('a message reaches every subscriber of every process, in the order of publishing', async (t) => {
    const one = await site.open(t)
    const other = await site.peer(t, one)
    const subscriptions = [
      one.events.subscribe('orders'),
      one.events.subscribe('orders'),
      other.events.subscribe('orders'),
    ]
    t.ok(subscriptions.every(({ guarantee }) => guarantee === 'at-most-once'))
    await Promise.all(subscriptions.map(({ ready }) => ready))
    t.ok((await one.events.publish('orders', { n: 0 })) >= 1)
    for (let n = 1; n < 50; n++) await (n % 2 ? one : other).events.publish('orders', { n })
    for (const subscription of subscriptions) {
      const messages = await take(subscription, 50)
      t.strictSame(
        messages.map(({ payload }) => (payload as { n: number }).n),
        Array.from({ length: 50 }, (_, n) => n),
      )
      t.ok(messages.every(({ gap }) => gap === false))
    }
  })

  t.test('nobody listens: a message goes nowhere, and is no error', async (t) => {
    const { events } = await site.open(t)
    t.equal(await events.publish('silence', 1), 0)
  })

  t.test('topics of other names are other topics, however they are named', async (t) => {
    const { events } = await site.open(t)
    const names = ['a', 'a:b', ['a', 'b', 'c'], '{a}', 'x'.repeat(5_000), 'a}b']
    const subscriptions = names.map((name) => events.subscribe(name))
    await Promise.all(subscriptions.map(({ ready }) => ready))
    for (const [i, name] of names.entries()) await events.publish(name, i)
    for (const [i, subscription] of subscriptions.entries()) {
      await events.publish(names[i] as string, 'end')
      t.strictSame(payloads(await take(subscription, 2)), [i, 'end'])
    }
  })

  t.test('any JSON comes back as it was, frozen', async (t) => {
    const { events } = await site.open(t)
    const subscription = events.subscribe('values')
    await subscription.ready
    const values = [null, 0, false, '', 'a:b:c', '☃\u2028\n', [], { deep: { list: [1, { a: null }] } }]
    for (const value of values) await events.publish('values', value)
    const messages = await take(subscription, values.length)
    t.strictSame(payloads(messages), values)
    const last = messages.at(-1)?.payload as { deep: { list: object[] } }
    t.ok(Object.isFrozen(last.deep.list[1]))
  })

  t.test('a payload that is no JSON, too long or not of the schema is not sent', async (t) => {
    const { events } = await site.open(t, { maxPayloadBytes: 100 })
    const circle: { self?: object } = {}
    circle.self = circle
    for (const payload of [undefined, () => {}, 1n, circle, 'x'.repeat(200)])
      t.equal(await codeOf(events.publish('orders', payload)), 'LARDER_EVENTS_INVALID_PAYLOAD')
    const topic = events.topic('numbers', { schema: positive })
    t.equal(await codeOf(topic.publish(-1)), 'LARDER_EVENTS_INVALID_PAYLOAD')
    t.equal(await codeOf(topic.publish(1)), undefined)
  })

  t.test('what the schema refuses goes to onInvalid, and the loop goes on', async (t) => {
    const invalid: Invalid[] = []
    const { events } = await site.open(t)
    const onInvalid = (one: Invalid): never => {
      invalid.push(one)
      throw new Error('the callback is broken')
    }
    const subscription = events.topic('numbers', { schema: positive, onInvalid }).subscribe()
    await subscription.ready
    for (const payload of [1, -1, 'two', 2]) await events.publish('numbers', payload)
    t.strictSame(payloads(await take(subscription, 2)), [1, 2])
    t.strictSame(
      invalid.map(({ carrier, name, raw }) => [carrier, name, raw]),
      [
        ['topic', 'numbers', '-1'],
        ['topic', 'numbers', '"two"'],
      ],
    )
    t.match(invalid[0]?.reason, /not a number over 0/)
    t.match(invalid[0]?.issues[0]?.message, 'not a number over 0')
  })

  t.test('an asynchronous schema keeps the order, and what it makes is what one gets', async (t) => {
    const { events } = await site.open(t)
    const waits = [10, 5, 1]
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: async (value: unknown) => {
          await sleep(waits.shift())
          return { value: { doubled: 2 * (value as number) } }
        },
      },
    }
    const subscription = events.topic<number, { doubled: number }>('numbers', { schema }).subscribe()
    await subscription.ready
    for (const payload of [1, 2, 3]) await events.publish('numbers', payload)
    t.strictSame(payloads(await take(subscription, 3)), [{ doubled: 2 }, { doubled: 4 }, { doubled: 6 }])
  })

  t.test(
    'who is slower than the topic loses the oldest messages and is told of a gap, at once and with the next one',
    async (t) => {
      const { events } = await site.open(t, { buffer: 10 })
      const gaps: string[] = []
      const slow = events.subscribe('fast', { onGap: ({ reason }) => gaps.push(reason) })
      const large = events.subscribe('fast', { buffer: 100 })
      const small = events.subscribe('fast', { buffer: 100, bufferBytes: 20 })
      await Promise.all([slow.ready, large.ready, small.ready])
      for (let n = 0; n < 30; n++) await events.publish('fast', n)
      t.strictSame(
        (await take(large, 30)).filter(({ gap }) => gap),
        [],
      )
      const kept = await take(slow, 10)
      t.strictSame(payloads(kept), [20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
      t.strictSame(
        kept.map(({ gap }) => gap),
        [true, ...new Array(9).fill(false)],
      )
      t.ok(gaps.length > 0 && gaps.every((reason) => reason === 'slow'))
      const [first] = await take(small, 1)
      t.equal(first?.gap, true)
      t.ok((first?.payload as number) >= 20)
    },
  )

  t.test('a subscription ends by its signal, by leaving the loop, by disposal and with the application', async (t) => {
    const { app, events } = await site.open(t)
    const controller = new AbortController()
    const seen: Message<unknown>[] = []
    const bySignal = (async () => {
      for await (const message of events.subscribe('orders', { signal: controller.signal })) seen.push(message)
    })()
    controller.abort()
    await bySignal
    t.strictSame(seen, [])
    t.strictSame(await take(events.subscribe('orders', { signal: AbortSignal.abort() }), 1), [])

    const left = events.subscribe('orders')
    await left.ready
    await events.publish('orders', 1)
    for await (const _ of left) break
    t.equal(left.closed, true)

    const disposed = events.subscribe('orders')
    const waiting = disposed.next()
    await disposed[Symbol.asyncDispose]()
    t.strictSame(await waiting, { done: true, value: undefined })
    t.strictSame(await disposed.next(), { done: true, value: undefined })

    const open = events.subscribe('orders')
    const last = open.next()
    await app.close()
    t.strictSame(await last, { done: true, value: undefined })
    t.strictSame(await take(events.subscribe('orders'), 1), [])
    t.equal(await codeOf(events.publish('orders', 1)), 'LARDER_EVENTS_UNAVAILABLE')
  })
}
