import { Readable } from 'node:stream'
import cacheAside from '@larder/cache-aside'
import responseCache from '@larder/response-cache'
import { pollUntil, startRedis } from '@larder/test-redis'
import fastify from 'fastify'
import t from 'tap'
import { openProxy } from './origin.js'
import { ask, deferred, listen, open, raw } from './setup.js'

const TTL = { config: { responseCache: { ttl: '1m' } } }

t.test('RFC 9112 3.2.2: a whole URL as target is never mixed up with a path, whatever host it names', async (t) => {
  const { url, port } = await open(t, {
    routes: (app) => app.get('/', TTL, async (request) => `you asked for ${request.url}`),
  })
  const target = (host: string): Promise<string> =>
    raw(port, `GET http://${host}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`)
  t.match(await target('evil.example'), /fwd=bypass; detail=target[\s\S]*evil/)
  t.equal((await ask(url)).body, 'you asked for /')
  t.match(await target('evil.example'), /fwd=bypass/)
})

t.test('a registration inside a plugin keeps the routes of that plugin alone, under their prefix', async (t) => {
  const app = fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(cacheAside, { redis: false })
  let handled = 0
  app.get('/outside', TTL, async () => `outside ${++handled}`)
  await app.register(
    async (api) => {
      await api.register(responseCache, { global: true })
      api.get('/inside', async (_request, reply) =>
        reply.header('cache-control', 'max-age=60').send(`inside ${++handled}`),
      )
      await api.register(
        async (deeper) =>
          void deeper.get('/inside', { config: { responseCache: { ttl: '1m' } } }, async () => `deeper ${++handled}`),
        { prefix: '/v1' },
      )
      api.post('/inside', async () => 'changed')
      api.post('/purge', async () => api.responseCache.purge('/api/v1/inside'))
    },
    { prefix: '/api' },
  )
  const { url } = await listen(app)
  t.notMatch((await ask(`${url}/outside`)).body, (await ask(`${url}/outside`)).body)
  for (const path of ['/api/inside', '/api/v1/inside']) {
    const { body } = await ask(url + path)
    t.equal((await ask(url + path)).body, body)
  }
  await ask(`${url}/api/inside`, { method: 'POST' })
  t.notMatch((await ask(`${url}/api/inside`)).cache, /; hit/)
  t.match((await ask(`${url}/api/v1/inside`)).cache, /; hit/)
  await ask(`${url}/api/purge`, { method: 'POST' })
  t.notMatch((await ask(`${url}/api/v1/inside`)).cache, /; hit/)
})

t.test('a body that is shorter than it was said to be is not kept', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  answer((_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', 'content-length': '10' })
    response.write('short')
    setImmediate(() => response.destroy())
  })
  for (let i = 1; i <= 2; i++) {
    await t.rejects(ask(url))
    t.equal(asked.length, i)
  }
  answer({ headers: { 'cache-control': 'max-age=60' } })
  t.equal((await ask(url)).body, 'answer 3')
})

t.test(
  'Redis that dies while a page is made: the client has it at once, and the next one asks the handler',
  async (t) => {
    const server = await startRedis()
    t.teardown(() => server.stop())
    const redis = server.client()
    redis.on('error', () => {})
    t.teardown(() => redis.disconnect())
    const gate = deferred()
    let handled = 0
    const { url } = await open(t, {
      redis,
      deadline: '200ms',
      routes: (app) => {
        app.get('/text', TTL, async () => {
          handled++
          await gate.promise
          return `page ${handled}`
        })
        app.get('/stream', TTL, async () => {
          handled++
          await gate.promise
          return Readable.from(['a ', 'stream'])
        })
      },
    })
    const asked = [ask(`${url}/text`), ask(`${url}/stream`)]
    await pollUntil('the handlers', async () => handled === 2)
    await server.stop()
    gate.resolve()
    const [text, stream] = await Promise.all(asked)
    t.equal(text?.body, 'page 2')
    t.equal(stream?.body, 'a stream')
    t.equal((await ask(`${url}/text`)).body, 'page 3')
  },
)

t.test('RFC 9211 2.2: why a request went on is told by its own word', async (t) => {
  const gate = deferred()
  let handled = 0
  const { url } = await open(t, {
    routes: (app) => {
      app.get('/', TTL, async (_request, reply) => {
        handled++
        await gate.promise
        return reply.header('vary', 'x-a').send('page')
      })
      app.post('/', { config: { responseCache: true } }, async () => 'posted')
    },
  })
  const all = [ask(url), ask(url)]
  await pollUntil('the handler', async () => handled > 0)
  gate.resolve()
  const words = (await Promise.all(all)).map(({ cache }) => cache).sort()
  t.match(words[0], /^Larder; fwd=(uri|vary)-miss; ttl=\d+; (stored|collapsed)$/)
  t.match((await ask(url)).cache, /^Larder; hit; ttl=\d+$/)
  t.match((await ask(url, { headers: { 'x-a': '1' } })).cache, /^Larder; fwd=vary-miss; ttl=60; stored$/)
  t.match((await ask(url, { headers: { 'cache-control': 'no-cache' } })).cache, /^Larder; fwd=request; ttl=60; stored$/)
  t.match(
    (await ask(url, { headers: { 'cache-control': 'no-store' } })).cache,
    /^Larder; fwd=request; detail=no-store$/,
  )
  t.match((await ask(url, { headers: { range: 'bytes=0-1' } })).cache, /^Larder; fwd=bypass; detail=range$/)
  t.equal((await ask(url, { method: 'POST' })).headers['cache-status'], undefined)
})

t.test('RFC 9111 4.4: all variants of a URI go with it', async (t) => {
  const { url, answer } = await openProxy(t)
  const fresh = { headers: { 'cache-control': 'max-age=60', vary: 'x-a' } }
  answer(fresh)
  for (const a of ['1', '2']) await ask(url, { headers: { 'x-a': a } })
  answer({})
  await ask(url, { method: 'PUT' })
  answer(fresh)
  for (const a of ['1', '2']) t.notMatch((await ask(url, { headers: { 'x-a': a } })).cache, /; hit/)
})

t.test('a client of HTTP/1.0, and one that asks many times over one connection, get whole answers', async (t) => {
  const { port } = await open(t, { routes: (app) => app.get('/', TTL, async () => 'page') })
  const old = 'GET / HTTP/1.0\r\n\r\n'
  t.match(await raw(port, old), /\r\n\r\npage$/)
  t.match(await raw(port, old), /; hit[\s\S]*\r\n\r\npage$/)
  const one = 'GET / HTTP/1.1\r\nHost: a\r\n'
  const many = await raw(port, [one, one, one, one, `${one}Connection: close\r\n`, ''].join('\r\n'))
  t.equal(many.split('\r\n\r\npage').length, 6)
})
