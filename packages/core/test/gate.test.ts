import { Gate, isCluster, loadScript, masters, type Reply } from '@larder/core'
import { pollUntil, sharedCluster, start } from '@larder/test-redis'
import type { Redis } from 'ioredis'
import t from 'tap'
import { gateOf, listenersOf } from './gates.js'
import { busy, client, Journal } from './setup.js'

const ENSURE = loadScript(new URL('../dist/epoch/epochs.js', import.meta.url).href, './ensure.lua')

/** How much a client has handed to its socket. */
function written(redis: Redis): number {
  return redis.stream.bytesWritten
}

t.test('a lone command is written at once, further ones of the turn together by the next microtask', async (t) => {
  const server = await start(t)
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
  const server = await start(t)
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
  const server = await start(t)
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
  const server = await start(t)
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
  const server = await start(t)
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
  const server = await start(t)
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
  const server = await start(t)
  const { gate } = await gateOf(t, client(t, server))
  const [, , read] = await Promise.all([gate.call('ping', []), gate.call('set', ['key', 'value']), gate.get('key')])
  t.equal(String(read), 'value')
})

t.test('GETs of one turn reject at the deadline, each of them', async (t) => {
  const server = await start(t)
  const { gate } = await gateOf(t, client(t, server), 100)
  await server.pause()
  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => gate.get(`key ${i}`)))
  t.ok(outcomes.every((one) => one.status === 'rejected' && one.reason.code === 'LARDER_REDIS_TIMEOUT'))
  server.resume()
})

t.test('a GET that was held back by an open breaker is not remembered for later callers', async (t) => {
  const server = await start(t)
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
  const server = await start(t)
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
  const server = await start(t)
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
  const server = await start(t)
  const { gate } = await gateOf(t, client(t, server), 50)
  const answer = gate.call('ping', [])
  busy(300)
  t.equal(String(await answer), 'PONG')
  t.equal(gate.up, true)
})

t.test('a script is sent by its hash, and in full where the server does not know it', async (t) => {
  const server = await start(t)
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
  const [server, primary] = await Promise.all([start(t), start(t)])
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
  const server = await start(t)
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
  const server = await start(t)
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
