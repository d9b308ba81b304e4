import type { Invalid } from '@larder/events'
import { pollUntil } from '@larder/test-redis'
import t from 'tap'
import { client, codeOf, open, payloads, positive, start, take } from './setup.js'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

t.test('what was not published by Larder goes to onInvalid, whatever it is', async (t) => {
  const server = await start(t)
  const invalid: Invalid[] = []
  const { events, namespace } = await open(t, { redis: client(t, server), onInvalid: (one) => invalid.push(one) })
  const subscription = events.subscribe('orders')
  await subscription.ready
  const foreign = ['', 'hello', '{"a":1}', 'larder:', 'larder:a:b', 'larder:a:b:{', Buffer.from([0xdc, 0x00])]
  for (const raw of foreign) await server.cli('PUBLISH', `${namespace}:topic:{orders}`, raw)
  await events.publish('orders', 'mine')
  t.strictSame(payloads(await take(subscription, 1)), ['mine'])
  t.equal(invalid.length, foreign.length)
  const stream = events.stream('orders')
  await server.cli('XADD', `${namespace}:stream:{orders}`, '*', 'some', 'thing')
  await server.cli('XADD', `${namespace}:stream:{orders}`, '*', 'payload', '{')
  await server.cli('XADD', `${namespace}:stream:{orders}`, '*', 'payload', '"foreign, and well-formed"')
  t.strictSame(payloads(await take(stream.read({ after: '0' }), 1)), ['foreign, and well-formed'])
  t.equal(invalid.length, foreign.length + 2)
})

t.test('where channels are forbidden it is said once, and streams go on', async (t) => {
  const server = await start(t)
  await server.cli('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', 'resetchannels')
  const { events } = await open(t, { redis: client(t, server, { username: 'mute', password: 'x' }) })
  const subscription = events.subscribe('orders')
  t.equal(await codeOf(events.publish('orders', 1)), 'LARDER_EVENTS_UNAVAILABLE')
  await events.stream('orders').add(1)
  t.strictSame(payloads(await take(events.stream('orders').read({ after: '0' }), 1)), [1])
  subscription.close()
})

t.test('what others put into a stream or topic harms nobody: binary, huge, nested, not of the schema', async (t) => {
  const server = await start(t)
  const redis = client(t, server)
  const invalid: Invalid[] = []
  const { events, namespace } = await open(t, { redis, onInvalid: (one) => invalid.push(one) })
  const numbers = events.stream('numbers', { schema: positive })
  const topic = events.topic('numbers', { schema: positive })
  const handled: number[] = []
  numbers.consume('sum', ({ payload }) => void handled.push(payload))
  const reading = numbers.read({ after: '0' })
  const subscription = topic.subscribe()
  await Promise.all([reading.ready, subscription.ready])
  // Read while they come: what waits for nobody is bounded, and a huge one pushes out the others.
  const heard = take(subscription, 1)
  const hostile = [
    Buffer.from([0xff, 0xfe, 0x00, 0x80]),
    `"${'x'.repeat(2_000_000)}"`,
    `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
    '{"__proto__":{"polluted":true}}',
    '-1',
    'NaN',
    '',
  ]
  const key = `${namespace}:stream:{numbers}`
  for (const [i, raw] of hostile.entries()) {
    await redis.xadd(key, '*', 'payload', raw)
    await redis.publish(`${namespace}:topic:{numbers}`, raw)
    await redis.publish(
      `${namespace}:topic:{numbers}`,
      Buffer.concat([Buffer.from(`larder:a:${i}:`), Buffer.from(raw)]),
    )
  }
  await redis.xadd(key, '*', 'payload', '1', 'payload', '2')
  await redis.xadd(key, '*', Buffer.from([0xff]), Buffer.from([0xff]))
  await numbers.add(3)
  await topic.publish(4)
  t.strictSame(payloads(await take(reading, 2)).at(-1), 3)
  t.strictSame(payloads(await heard), [4])
  await pollUntil('the group to have it', () => handled.at(-1) === 3)
  const letters = numbers.deadLetters('sum')
  await pollUntil('the dead letters', async () => (await letters.count()) === hostile.length + 1)
  t.equal((await letters.list()).length, hostile.length + 1)
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
  // Twice on the topic; by the reader and by the group on the stream, where one entry has no payload at all.
  t.equal(invalid.length, 2 * hostile.length + 2 * (hostile.length + 1))
})

t.test('what a dead consumer held and was trimmed meanwhile is told of, the rest is taken over', async (t) => {
  const server = await start(t)
  const { events, namespace } = await open(t, { redis: client(t, server) })
  const stream = events.stream<number>('orders')
  const key = `${namespace}:stream:{orders}`
  await server.cli('XGROUP', 'CREATE', key, 'mailer', '0', 'MKSTREAM')
  const ids: string[] = []
  for (let n = 0; n < 10; n++) ids.push(await stream.add(n))
  await server.cli('XREADGROUP', 'GROUP', 'mailer', 'dead', 'COUNT', '8', 'STREAMS', key, '>')
  await server.cli('XTRIM', key, 'MINID', ids[5] as string)
  const gaps: string[] = []
  const seen: [payload: number, attempt: number][] = []
  stream.consume('mailer', ({ payload, attempt }) => void seen.push([payload, attempt]), {
    claimAfter: 50,
    onGap: ({ reason }) => gaps.push(reason),
  })
  await pollUntil('the rest', () => seen.length === 5)
  t.strictSame(
    seen.sort(([a], [b]) => a - b),
    [
      [5, 2],
      [6, 2],
      [7, 2],
      [8, 1],
      [9, 1],
    ],
  )
  t.ok(gaps.length > 0 && gaps.every((reason) => reason === 'trimmed'))
  await pollUntil(
    'nothing to be pending',
    async () => (await server.cli<unknown[]>('XPENDING', key, 'mailer'))[0] === 0,
  )
})

t.test('all this time no rejection was left unhandled', async (t) => {
  t.strictSame(unhandled, [])
})
