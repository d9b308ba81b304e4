import { setTimeout as sleep } from 'node:timers/promises'
import type { Invalid } from '@larder/events'
import {
  pollUntil,
  type RedisServer,
  startCluster,
  startProxy,
  startRedis,
  startSentinel,
  type TcpProxy,
  uniqueNamespace,
} from '@larder/test-redis'
import { Redis } from 'ioredis'
import t from 'tap'
import { client, codeOf, open, payloads, type T, take } from './setup.js'

/** `LARDER_NIGHTLY=1`: as often as it should be shown, several times over. */
const ROUNDS = process.env.LARDER_NIGHTLY ? 100 : 20
const DEADLINE = 250
const HEARTBEAT = 200

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

async function start(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

async function behind(t: T, server: RedisServer): Promise<TcpProxy> {
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  return proxy
}

/** A client that reaches the server through the proxy. */
function far(t: T, proxy: TcpProxy): Redis {
  const redis = new Redis(proxy.url, { retryStrategy: () => 20 })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  return redis
}

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

t.test('a server that lost everything is a gap for subscribers, and a new beginning for readers', async (t) => {
  const server = await start(t)
  const { events } = await open(t, { redis: client(t, server, { retryStrategy: () => 20 }), heartbeat: HEARTBEAT })
  const stream = events.stream('orders')
  const subscription = events.subscribe('orders')
  const reading = stream.read()
  await Promise.all([subscription.ready, reading.ready])
  await events.publish('orders', 1)
  await stream.add(1)
  await Promise.all([take(subscription, 1), take(reading, 1)])
  await server.restart()
  const until = (work: () => Promise<unknown>): Promise<void> =>
    pollUntil('Redis to be back', async () => {
      await work()
      return true
    })
  await until(() => stream.add(2))
  const [entry] = await take(reading, 1)
  t.strictSame([entry?.payload, entry?.gap], [2, true])
  const message = take(subscription, 1)
  await until(async () => {
    if ((await events.publish('orders', 2)) === 0) throw new Error('nobody listens yet')
  })
  t.equal((await message)[0]?.gap, true)
})

t.test('with Redis away, sending rejects with a coded error by the deadline', async (t) => {
  const server = await start(t)
  const { events } = await open(t, { redis: client(t, server, { retryStrategy: () => 20 }), deadline: DEADLINE })
  const stream = events.stream('orders')
  await stream.add(0)
  await server.pause()
  for (const call of [() => events.publish('orders', 1), () => stream.add(1)]) {
    const begun = performance.now()
    t.equal(await codeOf(call()), 'LARDER_EVENTS_UNAVAILABLE')
    t.ok(performance.now() - begun < 4 * DEADLINE)
  }
  await server.kill()
  t.equal(await codeOf(stream.add(1)), 'LARDER_EVENTS_UNAVAILABLE')
  await server.start()
  await pollUntil('Redis to be back', async () => Boolean(await stream.add(2)))
  t.pass()
})

t.test('an application starts without Redis, and hears when it comes', async (t) => {
  const server = await start(t)
  await server.kill()
  const begun = performance.now()
  const { events } = await open(t, { redis: client(t, server, { retryStrategy: () => 20 }), deadline: DEADLINE })
  t.ok(performance.now() - begun < 10 * DEADLINE)
  const subscription = events.subscribe('orders')
  const reading = events.stream('orders').read()
  await server.start()
  await Promise.all([subscription.ready, reading.ready])
  await pollUntil('Redis to be used again', async () => (await events.publish('orders', 1)) === 1)
  await events.stream('orders').add(1)
  t.strictSame(payloads([...(await take(subscription, 1)), ...(await take(reading, 1))]), [1, 1])
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

t.test('a thousand readers and subscribers of a process share two connections', async (t) => {
  const server = await start(t)
  const { events } = await open(t, { redis: client(t, server) })
  const open_ = (): Promise<number> =>
    server
      .cli<string>('CLIENT', 'LIST')
      .then((list) => list.split('\n').filter((line) => line.includes('larder-')).length)
  const sources = Array.from({ length: 500 }, (_, i) => [
    events.subscribe(`topic ${i % 7}`),
    events.stream(`stream ${i % 7}`).read(),
  ]).flat()
  await Promise.all(sources.map(({ ready }) => ready))
  const items = sources.map((source) => source.next())
  for (let i = 0; i < 7; i++) {
    await events.publish(`topic ${i}`, i)
    await events.stream(`stream ${i}`).add(i)
  }
  for (const [i, item] of (await Promise.all(items)).entries())
    t.equal((item.value as { payload: number }).payload, Math.floor(i / 2) % 7)
  t.equal(await open_(), 2)
  for (const source of sources) source.close()
  await pollUntil('the connections to be closed', async () => (await open_()) === 0)
})

t.test('on Cluster, topics and streams follow their slots', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const namespace = uniqueNamespace()
  const one = await open(t, { redis: client(t, cluster), namespace, heartbeat: HEARTBEAT })
  const other = await open(t, { redis: client(t, cluster), namespace, heartbeat: HEARTBEAT })
  const subscription = other.events.subscribe<number>('orders')
  const reading = other.events.stream<number>('orders').read()
  await Promise.all([subscription.ready, reading.ready])
  const channel = `${namespace}:topic:{orders}`
  const from = await cluster.nodeOf(channel)
  const to = cluster.nodes.find((node) => node !== from) as RedisServer
  const slot = await cluster.slotOf(channel)
  t.equal(await from.cli('PUBSUB', 'SHARDNUMSUB', channel).then((reply) => (reply as unknown[])[1]), 1)
  const heard: number[] = []
  let gaps = 0
  const listening = (async () => {
    for await (const { payload, gap } of subscription) {
      if (gap) gaps++
      heard.push(payload)
    }
  })()
  const read: number[] = []
  const following = (async () => {
    for await (const { payload } of reading) read.push(payload)
  })()
  let sent = 0
  const send = async (): Promise<void> => {
    sent++
    await one.events.publish('orders', sent)
    await one.events.stream('orders').add(sent)
  }
  await send()
  for (const [source, target] of [
    [from, to],
    [to, from],
  ] as const) {
    const moved = cluster.reshard({ from: source, to: target, slots: [slot] })
    for (let i = 0; i < 20; i++) await send()
    await moved
    await pollUntil('the topic to be heard at its new place', async () => {
      await send()
      await sleep(10)
      return heard.at(-1) === sent && read.at(-1) === sent
    })
  }
  subscription.close()
  reading.close()
  await Promise.all([listening, following])
  t.strictSame(
    read,
    Array.from({ length: sent }, (_, i) => i + 1),
  )
  const holes = heard.filter((n, i) => i > 0 && n !== (heard[i - 1] as number) + 1).length
  t.equal(gaps, holes, `${sent - heard.length} lost, told of as ${gaps} gaps`)
})

t.test('over a failover, subscribers and readers follow the new primary', async (t) => {
  const group = await startSentinel({ downAfter: 500 })
  t.teardown(() => group.stop())
  const redis = group.client({ retryStrategy: () => 20, sentinelRetryStrategy: () => 20 })
  t.teardown(() => redis.disconnect())
  const { events } = await open(t, { redis, heartbeat: HEARTBEAT })
  const stream = events.stream<number>('orders')
  const subscription = events.subscribe('orders')
  const reading = stream.read()
  await Promise.all([subscription.ready, reading.ready])
  await events.publish('orders', 1)
  await stream.add(1)
  await Promise.all([take(subscription, 1), take(reading, 1)])
  const old = group.primary
  await group.nextPrimary(() => old.kill())
  const message = take(subscription, 1)
  await pollUntil('the new primary', async () => (await events.publish('orders', 2)) > 0)
  await pollUntil('the new primary', async () => Boolean(await stream.add(2)))
  t.ok((await message)[0]?.payload)
  t.strictSame(payloads(await take(reading, 1)), [2])
})

t.test('all this time no rejection was left unhandled', async (t) => {
  t.strictSame(unhandled, [])
})
