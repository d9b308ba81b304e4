import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil, type TcpProxy } from '@larder/test-redis'
import t from 'tap'
import { behind, client, codeOf, far, open, payloads, start, take } from './setup.js'

/** `LARDER_NIGHTLY=1`: as often as it should be shown, several times over. */
const ROUNDS = process.env.LARDER_NIGHTLY ? 100 : 20
const DEADLINE = 250
const HEARTBEAT = 200

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

/** Breaks the network in one of two ways, and mends it when `meanwhile` is through. */
async function interrupt(proxy: TcpProxy, round: number, meanwhile: () => Promise<void>): Promise<void> {
  if (round % 2 === 0) {
    proxy.refuse()
    proxy.cut()
  } else proxy.drop()
  await meanwhile()
  await proxy.restore()
}

t.setTimeout(process.env.LARDER_NIGHTLY ? 600_000 : 120_000)

t.test(`pub/sub over a connection that is cut and blackholed ${ROUNDS} times reports each loss`, async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const remote = await open(t, { redis: far(t, proxy), namespace: near.namespace, heartbeat: HEARTBEAT })
  const told: string[] = []
  const heard: { payload: number; gap: boolean }[] = []
  const subscription = remote.events.subscribe<number>('orders', { onGap: ({ reason }) => told.push(reason) })
  await subscription.ready
  const reading = (async () => {
    for await (const message of subscription) heard.push(message)
  })()
  let sent = 0
  const publish = () => near.events.publish('orders', ++sent)
  /** Publishes until a message is heard that was not published before the call. */
  const resume = async (): Promise<void> => {
    const before = sent
    await pollUntil('the subscription to be back', async () => {
      await publish()
      return (heard.at(-1)?.payload ?? 0) > before
    })
  }
  await publish()
  let losses = 0
  for (let round = 0; round < ROUNDS; round++) {
    await resume()
    const from = heard.length
    await interrupt(proxy, round, async () => {
      // A short one may lose nothing at all: then there is nothing to tell.
      for (let i = 0; i < round % 5; i++) await publish()
      if (round % 2) await sleep(2 * HEARTBEAT)
    })
    await resume()
    losses += heard.slice(from).filter(({ gap }) => gap).length
  }
  subscription.close()
  await reading
  let last = 0
  for (const { payload, gap } of heard) {
    t.ok(payload > last, `${payload} comes after ${last}`)
    if (payload !== last + 1) t.equal(gap, true, `${payload - last - 1} lost before ${payload}`)
    else t.equal(gap, false, `nothing lost before ${payload}`)
    last = payload
  }
  t.ok(losses >= ROUNDS / 2, `${losses} losses in ${ROUNDS} interruptions`)
  t.ok(told.length >= losses && told.every((reason) => reason === 'connection'))
})

t.test(`a stream over a connection that is cut and blackholed ${ROUNDS} times loses and repeats nothing`, async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const remote = await open(t, {
    redis: far(t, proxy),
    namespace: near.namespace,
    heartbeat: HEARTBEAT,
    deadline: DEADLINE,
  })
  const stream = near.events.stream<number>('orders')
  const readers = Array.from({ length: 5 }, () => remote.events.stream<number>('orders').read())
  await Promise.all(readers.map(({ ready }) => ready))
  const heard = readers.map(() => [] as number[])
  const reading = readers.map(async (reader, i) => {
    for await (const { payload, gap } of reader) {
      t.equal(gap, false)
      heard[i]?.push(payload)
    }
  })
  let added = 0
  const settled = (): Promise<void> => pollUntil('all to be read', () => heard.every((list) => list.at(-1) === added))
  for (let round = 0; round < ROUNDS; round++) {
    await stream.add(++added)
    await settled()
    await interrupt(proxy, round, async () => {
      for (let i = 0; i < 5; i++) await stream.add(++added)
      if (round % 2) await sleep(2 * HEARTBEAT)
    })
    await stream.add(++added)
  }
  await settled()
  for (const reader of readers) reader.close()
  await Promise.all(reading)
  for (const list of heard)
    t.strictSame(
      list,
      Array.from({ length: added }, (_, i) => i + 1),
    )
})

t.test('the last message was lost, and nothing comes after it: the gap is told all the same', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const remote = await open(t, { redis: far(t, proxy), namespace: near.namespace, heartbeat: HEARTBEAT })
  let told = 0
  const subscription = remote.events.subscribe('orders', { onGap: () => told++ })
  await subscription.ready
  proxy.refuse()
  proxy.cut()
  await near.events.publish('orders', 'lost')
  await proxy.restore()
  await pollUntil('the gap', () => told === 1)
  await near.events.publish('orders', 'heard')
  t.strictSame(await take(subscription, 1), [{ id: undefined, payload: 'heard', gap: true }])
})

t.test('a subscriber that Redis cut off for being slow is told', async (t) => {
  const server = await start(t)
  const { events } = await open(t, { redis: client(t, server), heartbeat: HEARTBEAT })
  const subscription = events.subscribe('orders')
  await subscription.ready
  await events.publish('orders', 1)
  await take(subscription, 1)
  await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await events.publish('orders', 2)
  const next = take(subscription, 1)
  await pollUntil('the subscription to be back', async () => (await events.publish('orders', 3)) > 0)
  t.equal((await next)[0]?.gap, true)
})

t.test('a message that its publisher sent again is heard once', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const remote = await open(t, { redis: far(t, proxy), namespace: near.namespace, deadline: 20_000 })
  const subscription = near.events.subscribe<string>('orders')
  await subscription.ready
  await remote.events.publish('orders', 'first')
  t.strictSame(payloads(await take(subscription, 1)), ['first'])
  for (const between of [[], ['between']]) {
    proxy.drop('toClient')
    const published = remote.events.publish('orders', 'mine')
    t.strictSame(payloads(await take(subscription, 1)), ['mine'])
    for (const payload of between) await near.events.publish('orders', payload)
    await proxy.restore()
    await published
    await near.events.publish('orders', 'after')
    const next = await take(subscription, between.length + 1)
    t.strictSame(payloads(next), [...between, 'after'])
    t.ok(next.every(({ gap }) => !gap))
  }
})

t.test(
  'over connections of both that are cut and blackholed a message is heard once at most, and of a stream nothing is lost',
  async (t) => {
    const server = await start(t)
    const proxy = await behind(t, server)
    const options = { heartbeat: HEARTBEAT, deadline: 10_000 }
    const one = await open(t, { redis: far(t, proxy), ...options })
    const other = await open(t, { redis: far(t, proxy), ...options, namespace: one.namespace })
    const subscription = other.events.subscribe<number>('orders')
    const reading = other.events.stream<number>('orders').read()
    await Promise.all([subscription.ready, reading.ready])
    const heard: { payload: number; gap: boolean }[] = []
    const read: number[] = []
    const listening = (async () => {
      for await (const message of subscription) heard.push(message)
    })()
    const following = (async () => {
      for await (const { payload, gap } of reading) {
        t.equal(gap, false)
        read.push(payload)
      }
    })()
    let sent = 0
    const added: number[] = []
    const rejected: number[] = []
    let going = true
    const stream = one.events.stream<number>('orders')
    const sending = Array.from({ length: 4 }, async () => {
      while (going) {
        const n = ++sent
        await Promise.allSettled([
          one.events.publish('orders', n),
          stream.add(n).then(
            () => added.push(n),
            () => rejected.push(n),
          ),
        ])
        await sleep(1)
      }
    })
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(30)
      await interrupt(proxy, round, () => sleep(round % 2 ? 2 * HEARTBEAT : 10))
      await pollUntil(
        'Redis to be used again',
        async () => (await codeOf(one.events.publish('orders', 0))) === undefined,
      )
    }
    going = false
    await Promise.all(sending)
    const last = await stream.add(++sent)
    await pollUntil('all to be read', () => read.at(-1) === sent)
    await pollUntil('a message to be heard', async () => {
      await one.events.publish('orders', sent)
      return heard.at(-1)?.payload === sent
    })
    subscription.close()
    reading.close()
    await Promise.all([listening, following])
    t.ok(last)
    const messages = heard.filter(({ payload }) => payload !== 0 && payload !== sent).map(({ payload }) => payload)
    t.equal(new Set(messages).size, messages.length, 'no message was heard twice')
    const times = new Map<number, number>()
    for (const n of read) times.set(n, (times.get(n) ?? 0) + 1)
    t.strictSame(
      added.filter((n) => !times.has(n)),
      [],
      'all that was added is read',
    )
    const repeated = [...times.values()].filter((count) => count > 1).length
    t.comment(
      `${added.length} added, ${rejected.length} refused, ${repeated} added again by the client; ${messages.length} heard`,
    )
    // What was under way at an interruption is sent again: at most one of each of the four.
    t.ok(repeated <= 4 * ROUNDS && Math.max(...times.values()) <= ROUNDS)
  },
)

t.test('all this time no rejection was left unhandled', async (t) => {
  t.strictSame(unhandled, [])
})
