import { once } from 'node:events'
import { connect } from 'node:net'
import { startRedis } from '@larder/test-redis'
import t from 'tap'

t.test('a server answers its clients and foreign ones', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  await server.cli('SET', 'key', 'value')
  t.equal(await server.client().get('key'), 'value')
  t.match(server.url, /^redis:\/\/127\.0\.0\.1:\d+$/)
})

t.test('counts the commands that ran, without its own', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const redis = server.client()
  await redis.set('a', 1)
  await server.resetCommandCounts()
  await redis.get('a')
  await redis.get('a')
  t.same(await server.commandCounts(), { get: 2 })
  t.same(await server.commandCounts(), { get: 2 })
  await redis.info()
  t.same(await server.commandCounts(), { get: 2, info: 1 })
})

t.test('a killed server comes back empty on the same port, and clients find it', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const redis = server.client()
  await redis.set('a', 1)
  const { port } = server
  await server.kill()
  await t.rejects(server.cli('PING'))
  await server.restart()
  t.equal(server.port, port)
  t.equal(await redis.get('a'), null)
})

t.test('a suspended server says nothing until it is resumed, and can be stopped', async (t) => {
  const server = await startRedis()
  const redis = server.client()
  await redis.set('a', 1)
  await server.pause()
  let answered = false
  const answer = redis.get('a').finally(() => {
    answered = true
  })
  // Connections are made all the same: the kernel accepts them.
  await once(connect(server.port, server.host).unref(), 'connect')
  t.notOk(answered)
  server.resume()
  t.equal(await answer, '1')
  await server.pause()
  await server.stop()
})
