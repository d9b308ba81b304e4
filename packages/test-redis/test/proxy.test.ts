import { once } from 'node:events'
import { connect } from 'node:net'
import { pollUntil, startProxy, startRedis } from '@larder/test-redis'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'

/** A client through a proxy of its own, that fails at once rather than retry. */
async function connected(t: Test, options: object = {}) {
  const server = await startRedis()
  const proxy = await startProxy(server)
  const redis = new Redis(proxy.url, { retryStrategy: () => null, ...options })
  redis.on('error', () => {})
  t.teardown(async () => {
    redis.disconnect()
    await proxy.stop()
    await server.stop()
  })
  await redis.ping()
  return { server, proxy, redis }
}

/** Unlike `once` of node:events, it does not mind the error that comes first. */
function heard(redis: Redis, event: 'end' | 'close'): Promise<void> {
  return new Promise((resolve) => redis.once(event, () => resolve()))
}

t.test('passes everything on, and says who is connected', async (t) => {
  const { proxy, redis } = await connected(t)
  const large = 'x'.repeat(5_000_000)
  await redis.set('large', large)
  t.equal(await redis.get('large'), large)
  t.equal(proxy.connections, 1)
  t.equal(proxy.accepted, 1)
})

t.test('drop swallows bytes and closes nothing; restore resets what lost bytes', async (t) => {
  const { server, proxy, redis } = await connected(t)
  await server.cli('SET', 'counter', 1)
  proxy.drop()
  const lost = redis.incr('counter')
  lost.catch(() => {})
  const late = connect(proxy.port, proxy.host)
  late.on('error', () => {})
  await once(late, 'connect')
  t.equal(redis.status, 'ready')
  t.equal(await server.cli('GET', 'counter'), '1', 'the server heard nothing')
  const closed = heard(redis, 'end')
  await proxy.restore()
  await closed
  await t.rejects(lost)
  late.destroy()
})

t.test('drop to the client loses the answer, not the command', async (t) => {
  const { server, proxy, redis } = await connected(t)
  await server.cli('SET', 'counter', 1)
  const monitor = await server.client().monitor()
  t.teardown(() => monitor.disconnect())
  const ran = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, args: string[]) => args[0] === 'incr' && resolve())
  })
  proxy.drop('toClient')
  const lost = redis.incr('counter')
  lost.catch(() => {})
  await ran
  t.equal(await server.cli('GET', 'counter'), '2')
})

t.test('drop keeps the end of one side from the other', async (t) => {
  const { server, proxy, redis } = await connected(t)
  proxy.drop()
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(redis.status, 'ready')
  const closed = heard(redis, 'end')
  await proxy.restore()
  await closed
})

t.test('hold keeps bytes back until restore', async (t) => {
  const { server, proxy, redis } = await connected(t)
  await server.cli('SET', 'counter', 1)
  proxy.hold()
  const first = redis.incr('counter')
  const second = redis.incr('counter')
  t.equal(await server.cli('GET', 'counter'), '1', 'the server heard nothing')
  await proxy.restore()
  t.same(await Promise.all([first, second]), [2, 3])
})

t.test('delay makes each answer late, and keeps the order', async (t) => {
  const { proxy, redis } = await connected(t)
  proxy.delay(100)
  const start = performance.now()
  const order: string[] = []
  await Promise.all(['a', 'b', 'c'].map((text) => redis.echo(text).then((answer) => order.push(answer))))
  const took = performance.now() - start
  t.ok(took >= 99, `took ${took} ms`)
  t.same(order, ['a', 'b', 'c'])
  proxy.delay(0)
  t.equal(await redis.ping(), 'PONG')
})

t.test('cut resets connections; new ones come through', async (t) => {
  const { proxy, redis } = await connected(t, { retryStrategy: () => 1 })
  const closed = heard(redis, 'close')
  proxy.cut()
  await closed
  t.equal(await redis.ping(), 'PONG')
  t.equal(proxy.accepted, 2)
})

t.test('refuse turns new connections away and leaves the others', async (t) => {
  const { proxy, redis } = await connected(t)
  proxy.refuse()
  const late = connect(proxy.port, proxy.host)
  const [error] = await once(late, 'error')
  t.equal(error.code, 'ECONNREFUSED')
  t.equal(await redis.ping(), 'PONG')
  await proxy.restore()
  const later = connect(proxy.port, proxy.host)
  await once(later, 'connect')
  later.destroy()
})

t.test('passes the end of either side on', async (t) => {
  const { server, proxy, redis } = await connected(t)
  const closed = heard(redis, 'end')
  await server.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
  await closed
  // The proxy's own sockets close a moment after the client's.
  await pollUntil('the connection to be gone', () => proxy.connections === 0)
})
