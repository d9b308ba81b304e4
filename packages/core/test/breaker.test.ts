import { Breaker, Gate, type RedisEvent, redisChannel } from '@larder/core'
import { pollUntil, start, startCluster, startProxy } from '@larder/test-redis'
import { Redis } from 'ioredis'
import t from 'tap'
import { gateOf } from './gates.js'
import { client, Journal } from './setup.js'

t.test('a breaker is one a client, for all who use it', async (t) => {
  const server = await start(t)
  const redis = client(t, server)
  const names = ['ready', 'close', 'end', 'error'] as const
  const listeners = () => names.map((name) => redis.listenerCount(name))
  const before = listeners()
  const one = Breaker.acquire(redis, new Journal())
  const two = Breaker.acquire(redis, new Journal())
  t.equal(one, two)
  t.not(Breaker.acquire(client(t, server), new Journal()), one)
  one.release()
  t.notSame(listeners(), before)
  two.release()
  t.same(listeners(), before, 'its last user takes every listener away')
  const three = Breaker.acquire(redis, new Journal())
  t.not(three, one)
  three.release()
})

t.test('a lost connection opens the breaker; all recoveries run before it closes', async (t) => {
  const server = await start(t)
  const redis = client(t, server, { retryStrategy: () => 10 })
  const { gate } = await gateOf(t, redis)
  const { breaker } = gate
  const events: string[] = []
  const told = (message: unknown) => {
    const { type } = message as RedisEvent
    if (type !== 'command') events.push(type)
  }
  redisChannel.subscribe(told)
  t.teardown(() => redisChannel.unsubscribe(told))
  const end = breaker.onChange((up) => events.push(up ? 'told up' : 'told down'))
  let fail = true
  breaker.onRecovery(async () => {
    t.equal(gate.up, false)
    t.equal(String(await gate.unguarded.call('ping', [])), 'PONG', 'unguarded commands go through')
    events.push('first')
  })
  const remove = breaker.onRecovery(async () => {
    events.push(fail ? 'failed' : 'second')
    if (fail) throw new Error('not yet')
  })
  const down = new Promise<void>((resolve) => breaker.onChange((up) => up || resolve()))
  await server.kill()
  await down
  await t.rejects(gate.call('ping', []), { code: 'LARDER_REDIS_UNAVAILABLE' })
  await server.start()
  await pollUntil('two failed recoveries', () => events.filter((event) => event === 'failed').length >= 2)
  t.equal(gate.up, false)
  t.equal(breaker.reason, 'not yet')
  fail = false
  await pollUntil('the breaker to close', () => gate.up)
  t.same(events.slice(0, 2), ['down', 'told down'])
  t.same(events.slice(-4), ['first', 'second', 'up', 'told up'])
  end()
  remove()
})

t.test('a failure during a recovery keeps the breaker open', async (t) => {
  const server = await start(t)
  const { gate } = await gateOf(t, client(t, server))
  const { breaker } = gate
  let runs = 0
  breaker.onRecovery(async () => {
    t.equal(breaker.recovering, true)
    if (++runs < 3) breaker.trip(`failure ${runs}`)
    t.equal(breaker.recovering, runs === 3)
  })
  breaker.trip('a test')
  await pollUntil('the breaker to close', () => gate.up)
  t.equal(runs, 3)
  t.equal(breaker.recovering, false)
})

t.test('booting does not wait for a dead Redis longer than it is told', async (t) => {
  const server = await start(t)
  await server.kill()
  const redis = client(t, server, { retryStrategy: () => 50 })
  const gate = new Gate(redis, { deadline: 300, log: new Journal() })
  t.teardown(() => gate.close())
  const started = performance.now()
  await gate.breaker.settled(2_000)
  await t.rejects(gate.call('ping', []), { code: 'LARDER_REDIS_UNAVAILABLE' })
  t.ok(performance.now() - started < 1_000, 'that the connection was refused is known at once')
  const again = performance.now()
  for (let i = 0; i < 20; i++) await t.rejects(gate.get('key'), { code: 'LARDER_REDIS_UNAVAILABLE' })
  t.ok(performance.now() - again < 250, `20 calls took ${performance.now() - again} ms`)
  await server.start()
  await pollUntil('the breaker to close', () => gate.up)
  t.equal(await gate.get('key'), null)
})

t.test('a Redis that takes connections and says nothing costs one deadline when booting', async (t) => {
  const server = await start(t)
  await server.pause()
  const gate = new Gate(client(t, server), { deadline: 100, log: new Journal() })
  t.teardown(() => gate.close())
  await gate.breaker.settled(100)
  await gate.call('ping', []).catch(() => {})
  const started = performance.now()
  for (let i = 0; i < 10; i++) await t.rejects(gate.get('key'), { code: 'LARDER_REDIS_UNAVAILABLE' })
  t.ok(performance.now() - started < 300, `10 calls took ${performance.now() - started} ms`)
  server.resume()
  await pollUntil('the breaker to close', () => gate.up)
})

t.test('the first commands of a client that is not connected yet wait for it', async (t) => {
  const server = await start(t)
  const redis = client(t, server, { lazyConnect: true })
  t.equal(redis.status, 'wait')
  const gate = new Gate(redis, { deadline: 5_000, log: new Journal() })
  t.teardown(() => gate.close())
  t.equal(gate.breaker.connecting, true)
  t.equal(String(await gate.call('ping', [])), 'PONG')
  t.equal(gate.breaker.connecting, false)
})

t.test('a client that backs off connects at once when it is known that Redis is there', async (t) => {
  const server = await start(t)
  const redis = client(t, server, { retryStrategy: () => 3_600_000 })
  const { gate } = await gateOf(t, redis)
  await server.kill()
  await pollUntil('the client to back off', () => redis.status === 'reconnecting')
  await server.start()
  gate.breaker.nudge()
  await pollUntil('the breaker to close', () => gate.up, 5_000)
  t.equal(String(await gate.call('ping', [])), 'PONG')
  gate.breaker.nudge()
  t.equal(redis.status, 'ready', 'a client that is connected is left alone')
})

t.test('a client without an error listener gets one that logs once', async (t) => {
  const server = await start(t)
  const redis = new Redis(server.port, server.host, { retryStrategy: () => 10 })
  t.teardown(() => redis.disconnect())
  const log = new Journal()
  const gate = new Gate(redis, { deadline: 100, log })
  await pollUntil('the breaker to close', () => gate.up)
  t.equal(redis.listenerCount('error'), 1)
  await server.kill()
  await pollUntil('some attempts', () => log.warnings.some((line) => line.includes('no error listener')))
  let attempts = 0
  await new Promise<void>((resolve) => redis.on('reconnecting', () => ++attempts > 3 && resolve()))
  t.equal(log.warnings.filter((line) => line.includes('no error listener')).length, 1)
  await server.start()
  await pollUntil('the breaker to close', () => gate.up)
  gate.close()
  t.equal(redis.listenerCount('error'), 0)
})

t.test('a Cluster is up when all of its masters answer', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const redis = cluster.client()
  const gate = new Gate(redis, { deadline: 200, log: new Journal() })
  t.teardown(() => gate.close())
  await gate.breaker.settled(5_000)
  const node = await cluster.nodeOf('key')
  await node.pause()
  await t.rejects(gate.get('key'), { code: 'LARDER_REDIS_TIMEOUT' })
  let up = false
  gate.breaker.onChange((now) => {
    up ||= now
  })
  await Promise.all(cluster.nodes.filter((other) => other !== node).map((other) => other.cli('PING')))
  t.equal(up, false)
  node.resume()
  await pollUntil('the breaker to close', () => gate.up)
  t.equal(await gate.get('key'), null)
})

t.test('slow is not away: answers within the deadline are waited for', async (t) => {
  const server = await start(t)
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  const redis = new Redis(proxy.url)
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  const { gate } = await gateOf(t, redis, 1_000)
  proxy.delay(100)
  const started = performance.now()
  t.equal(await gate.get('key'), null)
  t.ok(performance.now() - started >= 99)
  t.equal(gate.up, true)
})
