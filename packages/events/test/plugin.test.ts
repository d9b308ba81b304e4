import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createRequire } from 'node:module'
import fastifyRedis from '@fastify/redis'
import { askState } from '@larder/core'
import plugin, { type Events, type EventsEvent, events, InvalidPayloadError, UnavailableError } from '@larder/events'
import { pollUntil, sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fastify from 'fastify'
import type { RedisOptions } from 'ioredis'
import t from 'tap'
import { client, open, payloads, take } from './setup.js'

t.test('the plugin is the default export, the named one, and what require gives', async (t) => {
  t.equal(plugin, events)
  t.equal(createRequire(import.meta.url)('@larder/events'), events)
  t.ok(new UnavailableError('orders', 'why').message.includes('orders'))
  t.equal(new InvalidPayloadError('orders', 'why').code, 'LARDER_EVENTS_INVALID_PAYLOAD')
})

t.test('without Redis it says once that nothing is shared', async (t) => {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } })
  t.teardown(() => app.close())
  await app.register(events)
  t.equal(lines.filter((line) => line.includes('@larder/events has no Redis')).length, 1)
})

t.test('it uses the client of @fastify/redis, and leaves it open', async (t) => {
  const server = await sharedRedis()
  const redis = client(t, server)
  const app = fastify()
  await app.register(fastifyRedis, { client: redis })
  const namespace = uniqueNamespace()
  await app.register(events, { namespace })
  const id = await app.events.stream('orders').add(1)
  t.equal((await redis.xrange(`${namespace}:stream:{orders}`, '-', '+'))[0]?.[0], id)
  await app.close()
  t.equal(await redis.ping(), 'PONG')
})

t.test('a client with a key prefix, auto-pipelining, RESP2 or the replies of RESP3 works as well', async (t) => {
  const server = await sharedRedis()
  const all: RedisOptions[] = [
    { keyPrefix: 'app:' },
    { enableAutoPipelining: true },
    { protocol: 2 },
    { replyMapping: 'resp3' },
  ]
  for (const options of all) {
    const { events } = await open(t, { redis: client(t, server, options) })
    const stream = events.stream<number>('orders')
    const subscription = events.subscribe('orders')
    const reading = stream.read()
    await Promise.all([subscription.ready, reading.ready])
    await events.publish('orders', 1)
    await events.publish('orders', 2)
    await stream.add(3)
    t.strictSame(await take(subscription, 2), [
      { id: undefined, payload: 1, gap: false },
      { id: undefined, payload: 2, gap: false },
    ])
    t.strictSame(payloads(await take(reading, 1)), [3])
    const seen: number[] = []
    stream.consume(
      'mailer',
      ({ payload }) => {
        seen.push(payload)
        if (payload === 4) throw new Error('never')
      },
      { attempts: 1 },
    )
    await stream.add(4)
    await pollUntil('both', async () => seen.length === 2 && (await stream.deadLetters('mailer').count()) === 1)
  }
})

t.test('a second registration under another name is another instance; the same name twice is refused', async (t) => {
  const { app, events: first } = await open(t, { redis: false })
  await app.register(events, { redis: false, name: 'audit', namespace: 'audit' })
  const { audit } = app.events as unknown as { audit: Events }
  t.not(audit, first)
  const subscription = audit.subscribe('orders')
  await subscription.ready
  t.equal(await first.publish('orders', 1), 0)
  t.equal(await audit.publish('orders', 1), 1)
  await t.rejects(async () => app.register(events, { redis: false }), { code: 'LARDER_DUPLICATE_NAME' })
})

t.test('bad options are refused, by name', async (t) => {
  for (const [name, value] of Object.entries({
    redis: 'nowhere',
    namespace: 'a:b',
    deadline: -1,
    heartbeat: '1ms',
    buffer: 0,
    bufferBytes: 'much',
    maxPayloadBytes: -1,
    onInvalid: 'log',
    unknown: 1,
  })) {
    const app = fastify()
    await t.rejects(async () => app.register(events, { redis: false, [name]: value }), {
      code: 'LARDER_INVALID_OPTION',
      message: new RegExp(`\`${name}\``),
    })
  }
  const { events: mine } = await open(t, { redis: false })
  const wrong: (() => unknown)[] = [
    () => mine.subscribe('orders', { buffer: 0 }),
    () => mine.subscribe('orders', { signal: 'now' as never }),
    () => mine.topic('orders', { schema: {} as never }),
    () => mine.stream('orders', { maxLength: 0 }),
    () => mine.stream('orders').read({ before: '1-1' } as never),
  ]
  for (const call of wrong) t.throws(call, { code: 'LARDER_INVALID_OPTION' })
  t.throws(() => mine.stream(''), { code: 'LARDER_INVALID_KEY' })
})

t.test('defaults are what the README says', async (t) => {
  const { events: mine } = await open(t, { redis: false })
  const subscription = mine.subscribe('orders')
  const stream = mine.stream<number>('orders')
  await subscription.ready
  for (let n = 0; n <= 1_000; n++) await mine.publish('orders', n)
  t.match(await take(subscription, 1), [{ payload: 1, gap: true }])
  await mine.publish('orders', 'x'.repeat(1_048_574))
  await t.rejects(mine.publish('orders', 'x'.repeat(1_048_575)), { code: 'LARDER_EVENTS_INVALID_PAYLOAD' })
  t.match(await take(subscription, 1), [{ gap: true }], '1 MB of messages is what may wait')
  let attempts = 0
  stream.consume(
    'mailer',
    () => {
      attempts++
      throw new Error('never')
    },
    { backoff: { first: 0 } },
  )
  await stream.add(1)
  const graves = stream.deadLetters('mailer')
  await pollUntil('the dead letter', async () => (await graves.count()) === 1)
  t.equal(attempts, 5)
})

t.test('what happens is told on the diagnostics channel, and what is open when it is asked for', async (t) => {
  const { app, events: mine, namespace } = await open(t, { redis: false })
  const told: EventsEvent[] = []
  const hear = (event: unknown): void => void told.push(event as EventsEvent)
  subscribe('larder:events', hear)
  t.teardown(() => unsubscribe('larder:events', hear))
  const subscription = mine.subscribe('prices', { buffer: 1 })
  await mine.publish('prices', 1)
  await mine.publish('prices', 2)
  const stream = mine.stream<number>('orders')
  const consumer = stream.consume(
    'mailer',
    ({ attempt }) => {
      if (attempt < 3) throw new Error('not yet')
    },
    { backoff: { first: 1 }, attempts: 3 },
  )
  stream.consume('broken', () => Promise.reject(new Error('never')), { attempts: 1 })
  await stream.add(1)
  await pollUntil(
    'the end of it',
    () => told.filter(({ type }) => type === 'handled' || type === 'buried').length === 2,
  )
  t.match(askState(app.server), [{ plugin: 'events', name: namespace, values: { open: 1, consumers: 2 } }])
  await consumer.stop()
  subscription.close()
  t.match(askState(app.server), [{ values: { open: 0, consumers: 1 } }])
  await app.close()
  await t.rejects(stream.add(2))
  t.strictSame(told.map(({ type, carrier, name }) => `${type} ${carrier} ${name}`).sort(), [
    'buried stream orders',
    'failed stream orders',
    'gap topic prices',
    'handled stream orders',
    'retried stream orders',
    'retried stream orders',
    'retried stream orders',
    'sent stream orders',
    'sent topic prices',
    'sent topic prices',
  ])
  t.ok(told.every(({ app: server, events: registration }) => server === app.server && registration === namespace))
})
