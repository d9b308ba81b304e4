import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { findFaketime, startRedis } from '@larder/test-redis'
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

const faketime = findFaketime()

t.test('a clock of its own can be set while the server runs', faketime ? {} : { skip: 'no libfaketime' }, async (t) => {
  const server = await startRedis({ ownClock: true })
  t.teardown(() => server.stop())
  await server.cli('SET', 'key', 'value', 'PX', 60_000)
  await server.setClock(-3_600_000)
  const inScript = await server.cli<[string]>('EVAL', "return redis.call('TIME')", 0)
  t.ok(Date.now() - Number(inScript[0]) * 1000 >= 3_590_000, 'scripts see it')
  t.ok((await server.cli<number>('PTTL', 'key')) > 3_600_000, 'what expires does so an hour later')
  await server.setClock(120_000)
  t.equal(await server.cli('GET', 'key'), null)
  const { pid } = server
  await server.restart()
  await server.setClock(0)
  t.strictSame(
    readdirSync('/dev/shm').filter((name) => name.endsWith(`_${pid}`)),
    [],
    'one that was killed leaves nothing behind',
  )
})

t.test('the clock of the machine cannot be set', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  await t.rejects(server.setClock(0), /ownClock/)
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
