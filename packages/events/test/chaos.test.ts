import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil, startProxy, startRedis, startWorker, type Worker } from '@larder/test-redis'
import t from 'tap'
import { client, open } from './setup.js'
import type { Methods } from './workers/consumer.js'

/** `LARDER_NIGHTLY=1`: for as long as it should be shown. */
const NIGHTLY = Boolean(process.env.LARDER_NIGHTLY)
const FILE = new URL('./workers/consumer.js', import.meta.url)
const CLAIM_AFTER = 1_000
/** What a consumer may have in its hands when it dies or is cut off: its handlers. */
const IN_HAND = 8

t.setTimeout(600_000)

t.test(
  'consumers that are killed, cut off and blackholed lose nothing, and repeat only what was in hand',
  async (t) => {
    const ROUNDS = NIGHTLY ? 60 : 15
    const WORKERS = 3
    const server = await startRedis()
    t.teardown(() => server.stop())
    const proxies = await Promise.all(Array.from({ length: WORKERS }, () => startProxy(server)))
    t.teardown(() => Promise.all(proxies.map((proxy) => proxy.stop())))
    const { events, namespace } = await open(t, { redis: client(t, server) })
    const stream = events.stream<number>('orders')
    const workers: Worker<Methods>[] = []
    t.teardown(() => Promise.all(workers.map((worker) => worker.kill())))
    const hire = async (i: number): Promise<void> => {
      const env = { REDIS: (proxies[i] as { url: string }).url, RECORD: server.url, NAMESPACE: namespace }
      const worker = await startWorker<Methods>(FILE, { env })
      workers[i] = worker
      await worker.call('consume', 'mailer', CLAIM_AFTER)
    }
    await Promise.all(proxies.map((_, i) => hire(i)))

    let added = 0
    let adding = true
    const producing = (async () => {
      while (adding) {
        await Promise.all(Array.from({ length: 5 }, () => stream.add(++added)))
        await sleep(5)
      }
    })()
    const counts = { kills: 0, cuts: 0, holes: 0, pauses: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const i = round % WORKERS
      const proxy = proxies[i] as (typeof proxies)[number]
      const worker = workers[i] as Worker<Methods>
      if (round % 5 === 4) {
        counts.kills++
        await worker.kill()
        await hire(i)
      } else if (round % 5 === 3) {
        counts.pauses++
        await worker.pause()
        await sleep(CLAIM_AFTER * 1.5)
        worker.resume()
      } else if (round % 2) {
        counts.holes++
        proxy.drop()
        await sleep(600)
        await proxy.restore()
      } else {
        counts.cuts++
        proxy.cut()
      }
      await sleep(100)
    }
    adding = false
    await producing
    await pollUntil('all to be handled', async () => (await server.cli<number>('HLEN', 'handled')) === added, 60_000)
    await pollUntil(
      'all to be acknowledged',
      async () => (await server.cli<unknown[]>('XPENDING', `${namespace}:stream:{orders}`, 'mailer'))[0] === 0,
      60_000,
    )
    const handled = Object.values(await client(t, server).hgetall('handled')).map(Number)
    const repeated = handled.reduce((sum, times) => sum + times - 1, 0)
    const most = (counts.kills + counts.holes + counts.cuts + counts.pauses) * IN_HAND
    t.comment(JSON.stringify({ ...counts, added, repeated }))
    t.equal(handled.length, added, 'nothing was lost')
    t.ok(repeated <= most, `${repeated} of ${added} were handled again, at most ${most} were in hand`)
    t.equal(await stream.deadLetters('mailer').count(), 0)
    await Promise.all(workers.map((worker) => worker.call('stop')))
    const consumers = await server.cli<unknown[]>('XINFO', 'CONSUMERS', `${namespace}:stream:{orders}`, 'mailer')
    t.ok(consumers.length <= counts.kills, 'who stopped in peace is forgotten')
    await Promise.all(workers.map((worker) => worker.kill()))
    await pollUntil('their connections to end', () => proxies.every(({ connections }) => connections === 0))
  },
)

t.test('a consumer that is killed over and over by one entry buries it, and goes on', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const { events, namespace } = await open(t, { redis: client(t, server) })
  const stream = events.stream<number>('orders')
  await stream.add(1)
  const key = `${namespace}:stream:{orders}`
  await server.cli('XGROUP', 'CREATE', key, 'mailer', '0')
  // As consumers leave it that died with the entry in hand.
  for (let i = 0; i < 3; i++) {
    if (i === 0) await server.cli('XREADGROUP', 'GROUP', 'mailer', 'dead-0', 'STREAMS', key, '>')
    else await server.cli('XAUTOCLAIM', key, 'mailer', `dead-${i}`, 0, '0')
  }
  const seen: number[] = []
  stream.consume('mailer', ({ payload }) => void seen.push(payload), { attempts: 3, claimAfter: 50 })
  await stream.add(2)
  const graves = stream.deadLetters('mailer')
  await pollUntil('the dead letter', async () => (await graves.count()) === 1 && seen.length === 1)
  t.strictSame(seen, [2])
  t.match(await graves.list(), [{ raw: '1', attempts: 4, reason: /did not live/ }])
})

t.test('with Redis restarted empty, a group begins anew with what comes', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const { events } = await open(t, { redis: client(t, server, { retryStrategy: () => 20 }), heartbeat: 200 })
  const stream = events.stream<number>('orders')
  const seen: number[] = []
  stream.consume('mailer', ({ payload }) => void seen.push(payload), { from: 'now' })
  await pollUntil('the group', async () => {
    await stream.add(1)
    return seen.length > 0
  })
  await server.restart()
  await pollUntil('Redis to be back', async () => Boolean(await stream.add(2)))
  await pollUntil('what came', () => seen.includes(2))
  t.pass()
})
