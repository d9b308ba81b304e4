import { randomBytes } from 'node:crypto'
import { pollUntil, RedisEndpoint, startProxy, startRedis } from '@larder/test-redis'
import t from 'tap'
import { client, open, splitClient } from './setup.js'

t.test('G2: a lease that a clock set back lets live for an hour delays nobody by more than a lease', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const { cache, namespace } = await open(t, { redis: client(t, server), memory: false, lease: 300 })
  const slot = `${namespace}:v:{key}`
  // What a loader, or a writer, left that died; its clock went back afterwards.
  for (const kind of ['L1', 'W1']) {
    await server.cli('SET', slot, Buffer.concat([Buffer.from(kind), randomBytes(16)]), 'PX', 3_600_000)
    t.equal(await cache.getOrSet('key', () => kind), kind)
    t.equal(await cache.get('key'), kind)
  }
})

t.test('G2: a lease whose grant was lost with the connection is the caller’s all the same', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  const redis = splitClient(t, new RedisEndpoint(proxy.host, proxy.port), server.port)
  const { cache, namespace } = await open(t, { redis, lease: '1h', deadline: '20s' })
  await cache.getOrSet('other', () => 1)
  // The read is answered, and the question for the lease waits at the server.
  await server.cli('CLIENT', 'PAUSE', 20_000, 'WRITE')
  const loading = cache.getOrSet('key', () => 1)
  await pollUntil('the question', async () => /blocked_clients:1/.test(await server.cli<string>('INFO', 'clients')))
  proxy.hold('toClient')
  await server.cli('CLIENT', 'UNPAUSE')
  await pollUntil('the lease', async () => (await server.cli('EXISTS', `${namespace}:v:{key}`)) === 1)
  // ioredis asks again what was not answered.
  proxy.cut()
  await proxy.restore()
  t.equal(await loading, 1)
})
