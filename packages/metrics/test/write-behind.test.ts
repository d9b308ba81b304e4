import { pollUntil, sharedRedis, startRedis } from '@larder/test-redis'
import t from 'tap'
import { client, codeOf, openAll, scrape, type T } from './setup.js'

const places = [
  { name: 'in memory', connect: async () => false as const },
  { name: 'on Redis', connect: async (t: T) => client(t, await sharedRedis()) },
]

for (const { name, connect } of places) {
  t.test(`${name}: the backlog of a queue, what it refuses, its batches and dead letters`, async (t) => {
    const app = await openAll(t, await connect(t))
    const labels = 'queue="orders"'
    const tell = () => Object.values(app.metrics.snapshot().writeBehind)[0]?.orders
    let calls = 0
    let fail = (_error: Error): void => {}
    const first = new Promise<void>((_resolve, reject) => {
      fail = reject
    })
    const orders = app.writeBehind.queue<number>('orders', {
      every: '1h',
      maxPending: 2,
      attempts: 1,
      flush: () => (++calls === 1 ? first : Promise.resolve()),
    })
    const before = await scrape(app)
    t.equal(
      [...before.keys()].filter((key) => key.startsWith('write_behind_entries') && key.includes(labels)).length,
      7,
    )
    await orders.put('a', 1)
    await pollUntil('a batch', async () => calls === 1)
    await orders.put('b', 1)
    await orders.put('c', 1)
    t.equal(await codeOf(orders.put('d', 1)), 'LARDER_WRITE_BEHIND_FULL')
    t.match(tell(), { stored: 3, refused: 1, flushed: 0, dead: 0, waiting: 2, unsent: 0 })
    const during = await scrape(app)
    const length = [...during].find(([key]) => key.startsWith('write_behind_queue_length') && key.includes(labels))
    t.equal(length?.[1], 2)
    fail(new Error('no'))
    await pollUntil('a dead letter', async () => tell()?.dead === 1)
    await orders.flush()
    const all = { stored: 3, kept: 0, refused: 1, lost: 0, flushed: 2, failures: 1, dead: 1, waiting: 0, unsent: 0 }
    t.strictSame(tell(), all)
    t.strictSame([...(await scrape(app)).keys()], [...before.keys()])
  })
}

t.test('what is kept while Redis is away shows, and goes when it is back', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const app = await openAll(t, client(t, server))
  const queue = app.writeBehind.queue<number>('orders', { every: '1ms', flush: async () => {} })
  const tell = () => Object.values(app.metrics.snapshot().writeBehind)[0]?.orders
  await server.kill()
  await app.tags.invalidate('x')
  await pollUntil('it to be down', async () => app.metrics.snapshot().redis.up === false)
  t.equal(await queue.put('a', 1), 'kept')
  t.match(tell(), { kept: 1, stored: 0, unsent: 1 })
  await server.start()
  await pollUntil('it to be flushed', async () => tell()?.flushed === 1, 30_000)
  t.match(tell(), { kept: 1, stored: 1, unsent: 0, lost: 0 })
})
