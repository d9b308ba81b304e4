import { sign } from '@fastify/cookie'
import { RedisEndpoint, type RedisServer, startProxy, startRedis } from '@larder/test-redis'
import t from 'tap'
import { Browser } from './browser.js'
import { dumpOf } from './look.js'
import { client, listen, PATIENT, SECRET, type T } from './setup.js'

async function start(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

t.test('sessions of a store with plain ids are taken over at their next request', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT, migrate: {} })
  const old = { cookie: { originalMaxAge: null, path: '/' }, userId: 'ann', cart: { a: 1 } }
  const ids = ['plainid-1', 'plainid-2', 'plainid-3']
  for (const id of ids) await server.cli('SET', `sess:${id}`, JSON.stringify(old), 'EX', 1_000)
  const [one, two] = ids.map((id) => new Browser(opened, sign(id, SECRET)))
  const all = await Promise.all(Array.from({ length: 20 }, () => one?.copy().get('/')))
  for (const answer of all) t.match(answer, { body: { userId: 'ann', cart: { a: 1 } }, setCookie: undefined })
  t.equal(await server.cli('EXISTS', 'sess:plainid-1'), 0)
  t.notOk((await dumpOf([server], opened.namespace)).includes('plainid'))
  t.equal((await opened.app.sessions.list('ann')).length, 1)
  await two?.post('/set', { count: 1 })
  t.equal((await opened.app.sessions.list('ann')).length, 2)
  const late = two?.copy()
  await two?.post('/logout')
  t.strictSame((await late?.get('/'))?.body, {})
  t.equal(await opened.app.sessions.revokeAll('ann'), 1)
  t.strictSame((await one?.get('/'))?.body, {})
})

t.test('what a migration is told: the prefix of the keys and whose a session is', async (t) => {
  const server = await start(t)
  const migrate = { prefix: 'app:', userId: (data: Readonly<Record<string, unknown>>) => data.uid as number }
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT, migrate })
  await server.cli('SET', 'app:x', '{"uid":7,"cookie":{}}')
  await server.cli('SET', 'app:broken', '{')
  t.strictSame((await new Browser(opened, sign('x', SECRET)).get('/')).body, { uid: 7, userId: 7 })
  t.strictSame((await new Browser(opened, sign('broken', SECRET)).get('/')).body, {})
})

t.test('a session that another process takes over meanwhile is found there', async (t) => {
  const server = await start(t)
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT, migrate: {} })
  const peer = await listen(t, {
    redis: client(t, server),
    deadline: PATIENT,
    migrate: {},
    namespace: opened.namespace,
  })
  for (let round = 0; round < 20; round++) {
    await server.cli('SET', `sess:shared-${round}`, '{"userId":"ann","cookie":{}}')
    const browser = new Browser(opened, sign(`shared-${round}`, SECRET))
    const answers = await Promise.all([opened, peer, opened, peer].map((one) => browser.copy(one).get('/')))
    // Whoever comes in the moment between is nobody for that request, and no cookie is taken away.
    t.ok(answers.filter(({ body }) => String(body.userId) === 'ann').length >= 2)
    for (const { setCookie } of answers) t.equal(setCookie, undefined)
    for (const one of [opened, peer]) t.equal((await browser.copy(one).get('/')).body.userId, 'ann')
  }
  t.equal((await opened.app.sessions.list('ann')).length, 20)
})

t.test('resurrection: who read the old session before a logout does not take it over after it', async (t) => {
  const server = await start(t)
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  const opened = await listen(t, { redis: client(t, server), deadline: PATIENT, migrate: {} })
  let read = (): void => {}
  const hasRead = new Promise<void>((resolve) => {
    read = resolve
  })
  const slow = await listen(t, {
    redis: client(t, new RedisEndpoint(proxy.host, proxy.port)),
    deadline: PATIENT,
    namespace: opened.namespace,
    migrate: {
      // Asked between the old session is read and the new one made.
      userId: ({ userId }) => {
        proxy.hold('toServer')
        read()
        return userId as string
      },
    },
  })
  await server.cli('SET', 'sess:late', '{"userId":"ann","cookie":{}}')
  const browser = new Browser(opened, sign('late', SECRET))
  const late = browser.copy(slow).get('/')
  await hasRead
  const thief = browser.copy()
  t.equal((await browser.get('/')).body.userId, 'ann')
  await browser.post('/logout')
  await proxy.restore()
  t.strictSame((await late).body, {})
  for (const one of [opened, slow]) t.strictSame((await thief.copy(one).get('/')).body, {})
  t.strictSame(await opened.app.sessions.list('ann'), [])
})
