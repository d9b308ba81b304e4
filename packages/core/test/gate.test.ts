import { Breaker, Gate, isCluster, loadScript, masters, type RedisEvent, type Reply, redisChannel } from '@larder/core'
import { pollUntil, type RedisServer, sharedCluster, startCluster, startProxy, startRedis } from '@larder/test-redis'
import { Redis } from 'ioredis'
import t from 'tap'
import { busy, client, Journal, type T } from './setup.js'

const ENSURE = loadScript(new URL('../dist/epoch/epochs.js', import.meta.url).href, './ensure.lua')

async function serverOf(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

/** A gate that is up and ends with the test. */
async function gateOf(t: T, redis: Redis, deadline = 250): Promise<{ gate: Gate; log: Journal }> {
  const log = new Journal()
  const gate = new Gate(redis, { deadline, log })
  t.teardown(() => gate.close())
  await gate.breaker.settled(5_000)
  await pollUntil('the breaker to close', () => gate.up)
  return { gate, log }
}

/** How much a client has handed to its socket. */
function written(redis: Redis): number {
  return redis.stream.bytesWritten
}

t.test('a lone command is written at once, further ones of the turn together by the next microtask', async (t) => {
  const server = await serverOf(t)
  for (const enableAutoPipelining of [false, true]) {
    const redis = client(t, server, { enableAutoPipelining })
    const { gate } = await gateOf(t, redis)
    const before = written(redis)
    const lone = gate.call('set', ['lone', 1])
    const first = written(redis)
    t.ok(first > before, 'written in the same turn')
    const more = [gate.call('set', ['a', 1]), gate.call('set', ['b', 1])]
    t.equal(written(redis), first, 'kept for the end of the turn')
    await Promise.resolve()
    await Promise.resolve()
    t.ok(written(redis) > first, 'no reply and no turn of the event loop were waited for')
    await Promise.all([lone, ...more])
  }
})

t.test('by rounds, commands of several turns share a write; the first of a round is written at once', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server)
  const gate = new Gate(redis, { deadline: 5_000, log: new Journal(), together: 'round' })
  t.teardown(() => gate.close())
  await gate.breaker.settled(5_000)
  await server.pause()
  const before = written(redis)
  const replies = [gate.call('set', ['a', 1])]
  const first = written(redis)
  t.ok(first > before)
  // What sockets bring in one round comes in turns of their own.
  await Promise.resolve().then(() => replies.push(gate.call('set', ['b', 1])))
  await new Promise<void>((resolve) => process.nextTick(resolve))
  replies.push(gate.call('set', ['c', 1]))
  t.equal(written(redis), first, 'kept for the end of the round')
  await new Promise(setImmediate)
  t.ok(written(redis) > first, 'no reply was waited for')
  const next = written(redis)
  replies.push(gate.call('set', ['d', 1]))
  t.ok(written(redis) > next, 'the first of the next round')
  server.resume()
  t.same((await Promise.all(replies)).map(String), ['OK', 'OK', 'OK', 'OK'])
})

t.test('nothing is held back for a reply', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server)
  const { gate } = await gateOf(t, redis)
  await server.pause()
  const first = gate.call('set', ['a', 1])
  await new Promise(setImmediate)
  const before = written(redis)
  const second = gate.call('set', ['b', 1])
  t.ok(written(redis) > before)
  server.resume()
  await Promise.all([first, second])
})

t.test('commands take effect in the order in which they were called, over turns and batches', async (t) => {
  const server = await serverOf(t)
  for (const enableAutoPipelining of [false, true]) {
    const { gate } = await gateOf(t, client(t, server, { enableAutoPipelining }))
    const key = `order ${enableAutoPipelining}`
    const all: Promise<Reply>[] = []
    let expected = ''
    for (let turn = 0; turn < 20; turn++) {
      for (let i = 0; i < turn % 4; i++) {
        const sign = String.fromCharCode(97 + ((turn + i) % 26))
        expected += sign
        all.push(gate.call('append', [key, sign]))
      }
      if (turn % 3 === 0) await new Promise(setImmediate)
      else await null
    }
    await Promise.all(all)
    t.equal(String(await gate.get(key)), expected)
  }
})

t.test('a GET is shared by all who ask before it is written, and by nobody later', async (t) => {
  const server = await serverOf(t)
  const { gate } = await gateOf(t, client(t, server))
  await server.cli('SET', 'key', 'old')
  await server.resetCommandCounts()
  const written = gate.get('key')
  const shared = Array.from({ length: 10 }, () => gate.get('key'))
  t.same((await Promise.all([written, ...shared])).map(String), new Array(11).fill('old'))
  t.equal((await server.commandCounts()).get, 2, 'who asks when a GET was written gets one of its own')
  const before = gate.get('key')
  const other = gate.call('ping', [])
  await null
  await server.cli('SET', 'key', 'new')
  t.equal(String(await gate.get('key')), 'new', 'the old answer is nobody’s any more')
  await Promise.all([before, other])
})

t.test('GETs of one turn go out as MGETs of 25 keys, and what is no string is nothing', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server, { keyPrefix: 'prefix:' })
  const { gate } = await gateOf(t, redis)
  const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`)
  await redis.mset(keys.flatMap((key, i) => [key, `value ${i}`]))
  await redis.lpush('list', 'item')
  await server.resetCommandCounts()
  const values = await Promise.all([...keys, 'list', 'none'].map((key) => gate.get(key)))
  t.same(
    values.map((value) => value && String(value)),
    [...keys.map((_, i) => `value ${i}`), null, null],
  )
  t.same(await server.commandCounts(), { get: 1, mget: 3 })
})

t.test('a GET of the same turn sees what was written before it', async (t) => {
  const server = await serverOf(t)
  const { gate } = await gateOf(t, client(t, server))
  const [, , read] = await Promise.all([gate.call('ping', []), gate.call('set', ['key', 'value']), gate.get('key')])
  t.equal(String(read), 'value')
})

t.test('GETs of one turn reject at the deadline, each of them', async (t) => {
  const server = await serverOf(t)
  const { gate } = await gateOf(t, client(t, server), 100)
  await server.pause()
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => gate.get(`key ${i}`)))
  t.ok(outcomes.every((one) => one.status === 'rejected' && one.reason.code === 'LARDER_REDIS_TIMEOUT'))
  server.resume()
})

t.test('a GET that was held back by an open breaker is not remembered for later callers', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server, { lazyConnect: true })
  const gate = new Gate(redis, { deadline: 5_000, log: new Journal() })
  t.teardown(() => gate.close())
  // The probe of the breaker makes the turn a busy one, and the GET of that turn waits for the breaker.
  const ping = gate.unguarded.call('ping', [])
  const held = gate.get('key')
  await ping
  t.equal(await held, null)
  await server.cli('SET', 'key', 'value')
  t.equal(String(await gate.get('key')), 'value')
})

t.test('a command rejects at the deadline, opens the breaker, and tells of its late reply', async (t) => {
  const server = await serverOf(t)
  const { gate, log } = await gateOf(t, client(t, server), 100)
  await server.pause()
  const late = new Promise<Reply>((resolve) => {
    const started = performance.now()
    gate
      .call('incr', ['counter'], resolve)
      .then(() => t.fail('it was answered'))
      .catch((error) => {
        const took = performance.now() - started
        t.match(error, { code: 'LARDER_REDIS_TIMEOUT', statusCode: 503 })
        t.match(error.message, 'Redis did not answer within 100 ms')
        t.ok(took >= 95 && took < 500, `it took ${took} ms`)
        t.equal(gate.up, false)
        const asked = performance.now()
        return gate.call('ping', []).catch((error) => {
          t.equal(error.code, 'LARDER_REDIS_UNAVAILABLE')
          t.match(error.message, /no answer within 100 ms/)
          t.ok(performance.now() - asked < 50, 'at once')
          server.resume()
        })
      })
  })
  t.equal(await late, 1, 'the command was executed all the same')
  await pollUntil('the breaker to close', () => gate.up)
  t.equal(await gate.call('incr', ['counter']), 2)
  t.match(log.warnings, ['larder: Redis is unavailable, going on without it'])
  t.match(log.notes, ['larder: Redis is back'])
})

t.test('the deadline holds for each of many commands, also of a batch', async (t) => {
  const server = await serverOf(t)
  const { gate } = await gateOf(t, client(t, server), 100)
  await server.pause()
  const started = performance.now()
  const took = await Promise.all(
    Array.from({ length: 3_000 }, (_, i) =>
      gate.call('get', [`key ${i}`]).then(
        () => -1,
        () => performance.now() - started,
      ),
    ),
  )
  server.resume()
  t.ok(took.every((one) => one >= 95 && one < 1_000))
})

t.test('a stall of our own is not held against Redis', async (t) => {
  const server = await serverOf(t)
  const { gate } = await gateOf(t, client(t, server), 50)
  const answer = gate.call('ping', [])
  busy(300)
  t.equal(String(await answer), 'PONG')
  t.equal(gate.up, true)
})

t.test('a script is sent by its hash, and in full where the server does not know it', async (t) => {
  const server = await serverOf(t)
  const { gate } = await gateOf(t, client(t, server))
  const run = (tag: string) => gate.run(ENSURE, ['{s}:clock', `{s}:t:${tag}`], [0, 1000, 5000])
  await server.resetCommandCounts()
  await run('a')
  t.match(await server.commandCounts(), { evalsha: 1, eval: 1 })
  await server.resetCommandCounts()
  await Promise.all([run('b'), run('c'), run('d')])
  const counts = await server.commandCounts()
  t.equal(counts.evalsha, 3)
  t.notOk(counts.eval)
  await server.cli('SCRIPT', 'FLUSH')
  const replies = (await Promise.all([run('e'), run('f')])) as Reply[][]
  t.equal(replies.length, 2)
  for (const reply of replies) t.equal(reply.length, 5)
})

t.test('what Redis says no to is told as it is; that it cannot write opens the breaker', async (t) => {
  const [server, primary] = await Promise.all([serverOf(t), serverOf(t)])
  const { gate } = await gateOf(t, client(t, server))
  await server.cli('LPUSH', 'list', 1)
  await t.rejects(gate.get('list'), { name: 'ReplyError', message: /^WRONGTYPE/ })
  const [lone, batched] = await Promise.allSettled([gate.call('incr', ['list']), gate.call('incr', ['list'])])
  t.match(lone, { status: 'rejected', reason: /WRONGTYPE/ })
  t.match(batched, { status: 'rejected', reason: /WRONGTYPE/ })
  t.equal(gate.up, true)
  await server.cli('REPLICAOF', primary.host, primary.port)
  await t.rejects(gate.call('set', ['a', 1]), { code: 'LARDER_REDIS_UNAVAILABLE', message: /READONLY/ })
  t.equal(gate.up, false)
})

t.test('replies are bytes', async (t) => {
  const server = await serverOf(t)
  const { gate } = await gateOf(t, client(t, server))
  const bytes = Buffer.from([0, 255, 128, 13, 10])
  await gate.call('set', ['bytes', bytes])
  t.same(await gate.get('bytes'), bytes)
  t.same(await gate.call('mget', ['bytes', 'none']), [bytes, null])
})

t.test('on Cluster commands and scripts reach whoever has the key', async (t) => {
  const cluster = await sharedCluster()
  const redis = cluster.client()
  t.teardown(() => redis.disconnect())
  const gate = new Gate(redis, { deadline: 1_000, log: new Journal() })
  t.teardown(() => gate.close())
  await gate.breaker.settled(5_000)
  t.equal(isCluster(redis), true)
  t.equal(masters(redis).length, 3)
  const keys = Array.from({ length: 60 }, (_, i) => `gate:${process.pid}:${i}`)
  await Promise.all(keys.map((key) => gate.call('set', [key, key, 'PX', 60_000])))
  const values = await Promise.all(keys.map((key) => gate.get(key)))
  t.same(values.map(String), keys)
  const replies = await Promise.all(
    keys.map((key) => gate.run(ENSURE, [`{${key}}:clock`, `{${key}}:t:a`], [0, 1000, 5000])),
  )
  t.ok(replies.every((reply) => (reply as Reply[]).length === 5))
})

t.test('a closed gate answers whoever still waits, and leaves no timer', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server)
  const { gate } = await gateOf(t, redis, 60_000)
  await server.pause()
  const waiting = gate.call('get', ['key'])
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  gate.close()
  await t.rejects(waiting, { code: 'LARDER_REDIS_UNAVAILABLE', message: /the plugin is closed/ })
  t.ok(timers() <= before)
  server.resume()
  t.equal(redis.listenerCount('close'), listenersOf(server))
  t.equal(redis.status, 'ready', 'the supplied client is not closed')
})

/** How many `close` listeners a client has that no breaker knows. */
function listenersOf(server: RedisServer): number {
  const other = server.client({ lazyConnect: true })
  const count = other.listenerCount('close')
  other.disconnect()
  return count
}

t.test('a breaker is one a client, for all who use it', async (t) => {
  const server = await serverOf(t)
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
  const server = await serverOf(t)
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
  const server = await serverOf(t)
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
  const server = await serverOf(t)
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
  const server = await serverOf(t)
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
  const server = await serverOf(t)
  const redis = client(t, server, { lazyConnect: true })
  t.equal(redis.status, 'wait')
  const gate = new Gate(redis, { deadline: 5_000, log: new Journal() })
  t.teardown(() => gate.close())
  t.equal(gate.breaker.connecting, true)
  t.equal(String(await gate.call('ping', [])), 'PONG')
  t.equal(gate.breaker.connecting, false)
})

t.test('a client that backs off connects at once when it is known that Redis is there', async (t) => {
  const server = await serverOf(t)
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
  const server = await serverOf(t)
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
  const server = await serverOf(t)
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
