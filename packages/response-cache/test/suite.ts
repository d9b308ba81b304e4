import { Readable } from 'node:stream'
import type { Test } from 'tap'
import { ask, deferred, open, type Site } from './setup.js'

const TTL = { config: { responseCache: { ttl: '1m' } } }

/** What holds wherever responses are kept. */
export function behaves(t: Test, site: Site): void {
  t.test('a page is made once, and then served without handler and serializer', async (t) => {
    let handled = 0
    let serialized = 0
    const schema = { response: { 200: { type: 'object', properties: { n: { type: 'number' } } } } }
    const { url } = await open(t, {
      ...site.share(t),
      routes: (app) =>
        app.get(
          '/',
          {
            ...TTL,
            schema,
            preSerialization: async (_request, _reply, payload) => {
              serialized++
              return payload
            },
          },
          async () => ({ n: ++handled }),
        ),
    })
    const first = await ask(url)
    t.equal(first.body, '{"n":1}')
    t.equal(first.cache, 'Larder; fwd=uri-miss; ttl=60; stored')
    const second = await ask(url)
    t.equal(second.body, '{"n":1}')
    t.match(second.cache, /^Larder; hit; ttl=(59|60)$/)
    t.equal(second.headers['content-type'], 'application/json; charset=utf-8')
    t.equal(second.headers['content-length'], '7')
    t.equal(second.headers.age, '0')
    t.equal(second.headers.etag, first.headers.etag)
    t.equal(serialized, 1)
  })

  t.test('what is asked for at the same time is made once', async (t) => {
    const gate = deferred()
    let handled = 0
    const { url } = await open(t, {
      ...site.share(t),
      routes: (app) =>
        app.get('/', TTL, async () => {
          handled++
          await gate.promise
          return 'once'
        }),
    })
    const all = Array.from({ length: 50 }, () => ask(url))
    while (handled === 0) await new Promise(setImmediate)
    gate.resolve()
    const answers = await Promise.all(all)
    t.equal(handled, 1)
    t.ok(answers.every(({ body }) => body === 'once'))
    t.equal(answers.filter(({ cache }) => cache.endsWith('stored')).length, 1)
  })

  t.test('strings, buffers, streams and empty answers come back as they were', async (t) => {
    let handled = 0
    const { url } = await open(t, {
      ...site.share(t),
      routes: (app) => {
        app.addHook('preHandler', async () => void handled++)
        app.get('/text', TTL, async (_request, reply) => reply.type('text/html').send('<p>ä</p>'))
        app.get('/buffer', TTL, async () => Buffer.from([0, 255, 128]))
        app.get('/stream', TTL, async (_request, reply) => reply.type('text/csv').send(Readable.from(['a,', 'b'])))
        app.get('/empty', TTL, async (_request, reply) => reply.code(204).send())
        app.get('/web', TTL, async () => new Response('web', { headers: { 'x-from': 'web' } }))
      },
    })
    for (const path of ['/text', '/buffer', '/stream', '/empty', '/web']) {
      const first = await ask(url + path)
      const second = await ask(url + path)
      t.match(second.cache, /hit/, path)
      t.same(second.bytes, first.bytes, path)
      t.equal(second.status, first.status, path)
      t.equal(second.headers['content-type'], first.headers['content-type'], path)
      t.equal(second.headers['x-from'], first.headers['x-from'], path)
    }
  })

  t.test('a response that varies has a page for each variant', async (t) => {
    let handled = 0
    const { url } = await open(t, {
      ...site.share(t),
      routes: (app) =>
        app.get('/', TTL, async ({ headers }, reply) => {
          handled++
          return reply.header('vary', 'Accept-Language').send(`hello in ${headers['accept-language']}`)
        }),
    })
    for (const language of ['en', 'de', 'fr']) {
      const headers = { 'accept-language': language }
      t.equal((await ask(url, { headers })).body, `hello in ${language}`)
    }
    t.equal((await ask(url)).body, 'hello in undefined')
    t.equal(handled, 4)
    for (const language of ['en', 'de', 'fr']) {
      const again = await ask(url, { headers: { 'accept-language': ` ${language.toUpperCase()} ;q=1.0` } })
      t.equal(again.body, `hello in ${language}`)
      t.match(again.cache, /hit/)
    }
    t.equal(handled, 4)
  })

  t.test('a stale page is served while it is made anew through the application itself', async (t) => {
    let handled = 0
    const made = deferred()
    const { url } = await open(t, {
      ...site.share(t),
      routes: (app) =>
        app.get('/', async (request, reply) => {
          handled++
          if (handled === 2) {
            t.equal(request.headers['larder-revalidation'], undefined)
            t.equal(request.headers.cookie, undefined)
            made.resolve()
          }
          return reply.header('cache-control', 'max-age=0, stale-while-revalidate=60').send(`page ${handled}`)
        }),
      global: true,
    })
    t.equal((await ask(url)).body, 'page 1')
    const stale = await ask(url, { headers: { cookie: 'a=b' } })
    t.equal(stale.body, 'page 1')
    t.match(stale.cache, /^Larder; hit; ttl=-?\d/)
    await made.promise
    let body = 'page 1'
    while (body === 'page 1') body = (await ask(url)).body
    t.match(body, /^page \d+$/)
  })
}
