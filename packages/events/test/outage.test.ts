import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil, type RedisServer, startCluster, startSentinel, uniqueNamespace } from '@larder/test-redis'
import t from 'tap'
import { client, codeOf, open, payloads, start, take } from './setup.js'

const DEADLINE = 250
const HEARTBEAT = 200

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

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
