import { encodeTag, feedChannel, type Namespace } from '@larder/core'
import { pollUntil, type RedisServer, startProxy, startRedis, uniqueNamespace } from '@larder/test-redis'
import type { RedisOptions } from 'ioredis'
import t from 'tap'
import { busy, client, Ear, namespaceOf, splitClient, type T, trusted } from './setup.js'

async function serverOf(t: T, args: string[] = []): Promise<RedisServer> {
  const server = await startRedis({ args })
  t.teardown(() => server.stop())
  return server
}

/** A namespace whose feed goes through a proxy, trusted. */
async function proxied(t: T, heartbeat = 2_000) {
  const server = await serverOf(t)
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  const namespace = namespaceOf(t, splitClient(t, server, proxy.port), { heartbeat })
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  return { server, proxy, namespace, ear }
}

/** The connections of feeds to a server. */
async function feeds(server: RedisServer): Promise<string[]> {
  const list = await server.cli<string>('CLIENT', 'LIST')
  return list.split('\n').filter((line) => line.includes('name=larder-feed'))
}

function left(namespace: Namespace): number {
  return namespace.feed.trustedUntil - namespace.clock.now()
}

t.test('whatever changes an entry or a tag is heard: SET, DEL, expiry, eviction, a script', async (t) => {
  const server = await serverOf(t)
  const namespace = namespaceOf(t, client(t, server))
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  const key = namespace.entryKey('a}b')
  await server.cli('SET', key, 1)
  await ear.until('a}b')
  await server.cli('DEL', key)
  await ear.until('a}b')
  await server.cli('SET', key, 1, 'PX', 20)
  await ear.until('a}b')
  await ear.until('a}b')
  t.equal(await server.cli('EXISTS', key), 0, 'it expired')
  await server.cli('EVAL', 'redis.call("SET", KEYS[1], 1)', 1, key)
  await ear.until('a}b')
  await server.cli('EXPIRE', key, 100)
  await ear.until('a}b')
  const { changes } = namespace.epochs
  await server.cli('SET', `{${namespace.name}}:t:tag`, '1 1 1')
  await pollUntil('the tag', () => namespace.epochs.changes === changes + 1)
  await server.cli('SET', namespace.leaseKey('a'), 1)
  await server.cli('SET', `{${namespace.name}}:clock`, 1)
  await server.cli('SET', `other:v:{a}`, 1)
  await server.cli('SET', namespace.entryKey('last'), 1)
  await ear.until('last')
  t.same(ear.events, [])
  t.equal(namespace.epochs.changes, changes + 1, 'leases, the clock and other namespaces are not listened to')
  await server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random')
  await server.cli('CONFIG', 'SET', 'maxmemory', 1)
  await ear.until('last')
})

t.test('a client that maps replies as RESP3 says hears like any other', async (t) => {
  const server = await serverOf(t)
  const options: RedisOptions = { replyMapping: 'resp3' }
  const namespace = namespaceOf(t, client(t, server, options))
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  await server.cli('SET', namespace.entryKey('a'), 1)
  await ear.until('a')
})

t.test('FLUSHALL and FLUSHDB change everything', async (t) => {
  const server = await serverOf(t)
  const namespace = namespaceOf(t, client(t, server))
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  ear.events.length = 0
  for (const command of ['FLUSHALL', 'FLUSHDB']) {
    const { changes } = namespace.epochs
    await server.cli(command)
    await ear.until('all')
    t.ok(namespace.epochs.changes > changes)
  }
  t.ok(namespace.trusted())
})

t.test('one connection more a process, whatever the namespaces; none is left after the last one', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server)
  const before = ['ready', 'close', 'end', 'error', '+node'].map((name) => redis.listenerCount(name))
  const one = namespaceOf({ teardown: () => {} }, redis)
  await trusted(one)
  t.equal((await feeds(server)).length, 1)
  const two = namespaceOf({ teardown: () => {} }, redis)
  const ear = Ear.of({ teardown: () => {} }, two)
  await trusted(two)
  await trusted(one)
  await pollUntil('the old link to be gone', async () => (await feeds(server)).length === 1)
  await server.cli('SET', two.entryKey('key'), 1)
  await ear.until('key')
  one.release()
  await trusted(two)
  await pollUntil('the old link to be gone', async () => (await feeds(server)).length === 1)
  two.release()
  await pollUntil('the links to be gone', async () => (await feeds(server)).length === 0)
  t.same(
    ['ready', 'close', 'end', 'error', '+node'].map((name) => redis.listenerCount(name)),
    before,
  )
  t.equal(redis.status, 'ready', 'the supplied client is not closed')
})

t.test('a namespace is one a client and name, and ends with its last user', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server)
  const name = uniqueNamespace()
  const one = namespaceOf({ teardown: () => {} }, redis, {}, name)
  const two = namespaceOf({ teardown: () => {} }, redis, {}, name)
  t.equal(one, two)
  t.not(namespaceOf(t, client(t, server), {}, name), one)
  await trusted(one)
  one.release()
  t.ok(two.trusted())
  two.release()
  await pollUntil('the link to be gone', async () => (await feeds(server)).length === 1)
  const three = namespaceOf(t, redis, {}, name)
  t.not(three, one)
  await trusted(three)
})

t.test('a second namespace on a client costs the first one its trust for a moment, and no message', async (t) => {
  const server = await serverOf(t)
  const redis = client(t, server)
  const one = namespaceOf(t, redis)
  const ear = Ear.of(t, one)
  await trusted(one)
  ear.events.length = 0
  namespaceOf(t, redis)
  t.equal(one.trusted(), false)
  await trusted(one)
  t.same(ear.events.slice(0, 1), ['distrusted'])
  t.equal(ear.events.at(-1), 'all')
})

t.test('a killed connection is distrusted at once, and trusted again after everything was forgotten', async (t) => {
  const server = await serverOf(t)
  const namespace = namespaceOf(t, client(t, server))
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  for (let round = 0; round < 3; round++) {
    ear.events.length = 0
    const { connection } = namespace.feed
    const { changes } = namespace.epochs
    let trustAtLoss: boolean | undefined
    const end = namespace.listen({
      changed: () => {},
      changedWhere: () => {},
      distrusted: () => {
        trustAtLoss ??= namespace.trusted()
      },
      allChanged: () => {},
    })
    await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await ear.until('distrusted')
    t.equal(trustAtLoss, false)
    t.ok(namespace.feed.connection > connection)
    t.ok(namespace.epochs.changes > changes)
    await ear.until('all')
    await trusted(namespace)
    end()
    await server.cli('DEL', namespace.entryKey('key'))
    await server.cli('SET', namespace.entryKey('key'), round)
    await ear.until('key')
  }
  t.equal((await feeds(server)).length, 1)
})

t.test('trust is lost at once whatever the number of copies', async (t) => {
  const server = await serverOf(t)
  const namespace = namespaceOf(t, client(t, server))
  await trusted(namespace)
  const tags = Array.from({ length: 20_000 }, (_, i) => encodeTag(`tag ${i}`))
  for (let i = 0; i < tags.length; i += 1_000) await namespace.epochs.ensure(tags.slice(i, i + 1_000), 1_000)
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const started = performance.now()
    namespace.epochs.distrust()
    times.push(performance.now() - started)
  }
  t.ok(Math.min(...times) < 0.5, `it took ${Math.min(...times)} ms`)
})

t.test('copies are trusted until the sending of the last answered PING plus the limit', async (t) => {
  const heartbeat = 600
  const { proxy, namespace } = await proxied(t, heartbeat)
  t.ok(left(namespace) <= heartbeat)
  proxy.delay(200)
  const end = performance.now() + 1_500
  let most = 0
  await pollUntil('the effect of the delay', () => left(namespace) < heartbeat - 200)
  await pollUntil('some beats', () => {
    most = Math.max(most, left(namespace))
    return performance.now() > end
  })
  t.ok(most <= heartbeat - 195, `answers that took 200 ms leave ${most} of ${heartbeat} ms`)
  t.ok(most > 0, 'it is still trusted at times')
})

t.test('a silent connection is trusted for the limit and no longer, then replaced', async (t) => {
  const heartbeat = 500
  const { server, proxy, namespace, ear } = await proxied(t, heartbeat)
  proxy.drop()
  const { accepted } = proxy
  const dropped = performance.now()
  const { connection } = namespace.feed
  await server.cli('SET', namespace.entryKey('key'), 1)
  await pollUntil('the end of trust', () => !namespace.trusted())
  const held = performance.now() - dropped
  t.ok(held <= heartbeat + 60, `trusted for ${held} of ${heartbeat} ms`)
  t.ok(held > heartbeat / 2, `trusted for ${held} of ${heartbeat} ms`)
  t.comment(`a silent feed was trusted for ${held.toFixed()} of ${heartbeat} ms`)
  await pollUntil('a new connection', () => proxy.accepted > accepted)
  t.notOk(namespace.trusted())
  ear.events.length = 0
  await proxy.restore()
  await trusted(namespace)
  t.ok(namespace.feed.connection > connection)
  t.ok(ear.events.includes('all'))
})

t.test('a connection that is taken and then says nothing while it is armed is tried anew', async (t) => {
  const server = await serverOf(t)
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  proxy.drop()
  const namespace = namespaceOf(t, splitClient(t, server, proxy.port), { heartbeat: 200 })
  await pollUntil('a second attempt', () => proxy.accepted >= 2, 5_000)
  t.equal(namespace.trusted(), false)
  await proxy.restore()
  await trusted(namespace)
})

t.test('messages that are late are late by less than the limit, or the feed is not trusted', async (t) => {
  const { server, proxy, namespace, ear } = await proxied(t, 500)
  proxy.hold('toClient')
  await server.cli('SET', namespace.entryKey('key'), 1)
  await pollUntil('the end of trust', () => !namespace.trusted())
  t.notOk(ear.events.includes('key'))
  await proxy.restore()
  await ear.until('key')
})

t.test('after a stall of our own a healthy feed is judged only when it had its turn', async (t) => {
  const heartbeat = 300
  const { proxy, namespace, ear } = await proxied(t, heartbeat)
  for (let round = 0; round < 3; round++) {
    ear.events.length = 0
    const { connection } = namespace.feed
    busy(3 * heartbeat)
    t.equal(namespace.trusted(), false, 'what happened meanwhile was not heard')
    await trusted(namespace)
    t.equal(namespace.feed.connection, connection, 'the connection is the same, and so are the copies')
    t.same(ear.events, [])
  }
  t.equal(proxy.accepted, 1)
})

t.test('a loop of microtasks starves the timers, and trust ends in time all the same', async (t) => {
  const heartbeat = 400
  const { namespace } = await proxied(t, heartbeat)
  const started = performance.now()
  let turns = 0
  setImmediate(() => turns++)
  // The time before each look: what a busy machine adds to a look is not trust.
  let held = 0
  for (let now = 0; now < 5_000 && namespace.trusted(); now = performance.now() - started) {
    held = now
    await null
  }
  t.equal(turns, 0)
  t.ok(held <= heartbeat + 30, `trusted for ${held} of ${heartbeat} ms`)
  await trusted(namespace)
})

t.test('the time of the server is known, and that of this machine does not matter', async (t) => {
  const server = await serverOf(t)
  const namespace = namespaceOf(t, client(t, server))
  await trusted(namespace)
  const [seconds, micros] = await server.cli<[string, string]>('TIME')
  const off = namespace.now() - (Number(seconds) * 1_000 + Number(micros) / 1_000)
  t.ok(Math.abs(off) < 100, `off by ${off} ms`)
})

t.test('trust waits for what must be done before, and is tried again when that fails', async (t) => {
  const server = await serverOf(t)
  const namespace = namespaceOf(t, client(t, server))
  await trusted(namespace)
  const events: string[] = []
  const end = namespace.feed.listen([`${namespace.name}:v:`], {
    heard: () => {},
    lost: () => events.push('lost'),
    forget: () => events.push('forget'),
    recover: async () => {
      events.push('recover')
      t.equal(namespace.trusted(), false)
      if (events.filter((event) => event === 'recover').length < 3) throw new Error('not yet')
    },
  })
  await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await pollUntil('the loss', () => events.includes('lost'))
  await trusted(namespace)
  t.same(events, ['lost', 'recover', 'recover', 'recover', 'forget'])
  end()
})

t.test('the feed publishes what it does', async (t) => {
  const server = await serverOf(t)
  const events: unknown[] = []
  const told = (event: unknown) => events.push(event)
  feedChannel.subscribe(told)
  t.teardown(() => feedChannel.unsubscribe(told))
  const redis = client(t, server)
  const namespace = namespaceOf(t, redis)
  const ear = Ear.of(t, namespace)
  await trusted(namespace)
  await server.cli('SET', namespace.entryKey('key'), 1)
  await ear.until('key')
  await server.cli('FLUSHALL')
  await ear.until('all')
  await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await ear.until('distrusted')
  t.match(events, [
    { client: redis, type: 'trusted' },
    { client: redis, type: 'heard', keys: 1 },
    { client: redis, type: 'heard', keys: null },
    { client: redis, type: 'distrusted' },
  ])
  t.equal(events.length, 4)
})

t.test('a client with a key prefix hears what is changed under it', async (t) => {
  const server = await serverOf(t)
  const name = uniqueNamespace()
  const redis = () => client(t, server, { keyPrefix: 'app:' })
  const [one, two] = [namespaceOf(t, redis(), {}, name), namespaceOf(t, redis(), {}, name)]
  const ear = Ear.of(t, two)
  await trusted(one)
  await trusted(two)
  await one.gate?.call('set', [one.entryKey('key'), 1])
  await ear.until('key')
  t.equal(await server.cli('EXISTS', `app:${one.entryKey('key')}`), 1)
  await server.cli('DEL', `app:${one.entryKey('key')}`)
  await ear.until('key')
  const tag = encodeTag('tag')
  const epoch = await two.epochs.ensure([tag], 1_000)
  await one.invalidate([tag], 'hard')
  await pollUntil('the tag', () => two.epochs.verdict([tag], epoch) !== 'fresh')
  t.equal(await two.epochs.check([tag], epoch), 'invalid')
})
