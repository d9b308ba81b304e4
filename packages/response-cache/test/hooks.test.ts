import { connect as http2Connect } from 'node:http2'
import { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import cacheAside from '@larder/cache-aside'
import responseCache from '@larder/response-cache'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fastify from 'fastify'
import t from 'tap'
import { type Answer, ask, open } from './setup.js'

const TTL = { config: { responseCache: { ttl: '1m' } } }

/** Of one answer alone, or only known once a page is whole. */
const PASSING = [
  'age',
  'date',
  'cache-status',
  'connection',
  'keep-alive',
  'etag',
  'content-length',
  'transfer-encoding',
]

/** What of an answer a hit has in common with the miss. */
function lasting({ status, headers, bytes }: Answer): unknown {
  const fields = Object.entries(headers).filter(([name]) => !PASSING.includes(name))
  return { status, fields: Object.fromEntries(fields), body: bytes.toString('latin1') }
}

t.test('a hit is what the miss was, whether or not hooks look at what is sent', async (t) => {
  const routes = (app: FastifyInstance): void => {
    app.get('/text', TTL, async () => 'plain')
    app.get('/wide', TTL, async (_request, reply) => reply.type('text/html').send('<p>ä €</p>'))
    app.get('/json', TTL, async () => ({ a: 1 }))
    app.get('/bytes', TTL, async () => Buffer.from([0, 200, 255]))
    app.get('/stream', TTL, async () => Readable.from(['no ', 'type']))
    app.get('/lists', TTL, async (_request, reply) => reply.header('link', ['<a>', '<b>']).send('x'))
    app.get('/through', TTL, async (_request, reply) => reply.header('cache-status', 'Origin; hit').send('x'))
    app.get('/moved', TTL, async (_request, reply) => reply.redirect('/text', 301))
    app.get('/none', TTL, async (_request, reply) => reply.code(204).send())
    app.get('/undefined', TTL, (_request, reply) => void reply.send(undefined))
    app.get('/empty', TTL, async () => '')
  }
  const bare = await open(t, { routes })
  const hooked = await open(t, {
    before: (app) => {
      app.addHook('onRequest', async (_request, reply) => void reply.header('x-hook', '1'))
      app.addHook('onSend', async (_request, _reply, payload) => payload)
    },
    routes,
  })
  const paths = ['text', 'wide', 'json', 'bytes', 'stream', 'lists', 'through', 'moved', 'none', 'undefined', 'empty']
  for (const path of paths) {
    for (const { url } of [bare, hooked]) {
      const miss = await ask(`${url}/${path}`)
      const hit = await ask(`${url}/${path}`)
      t.match(hit.cache, /; hit/, path)
      t.strictSame(lasting(hit), lasting(miss), `${path} of ${url === bare.url ? 'bare' : 'hooked'}`)
      t.equal((await ask(`${url}/${path}`)).headers.etag, hit.headers.etag)
      if (hit.body === '') continue
      const head = await ask(`${url}/${path}`, { method: 'HEAD' })
      t.equal(head.headers['content-length'], String(hit.bytes.length))
    }
  }
})

t.test('hooks that change what is sent do so once, and run for each request', async (t) => {
  let ran = 0
  const { url } = await open(t, {
    before: (app) =>
      app.addHook('onSend', async (request, reply, payload) => {
        ran++
        reply.header('x-request', request.id)
        return `(${payload})`
      }),
    routes: (app) => app.get('/', TTL, async () => 'page'),
  })
  const answers = [await ask(url), await ask(url), await ask(url)]
  t.strictSame(
    answers.map(({ body }) => body),
    ['(page)', '(page)', '(page)'],
  )
  t.equal(new Set(answers.map(({ headers }) => headers['x-request'])).size, 3)
  t.equal(ran, 3)
  const tag = answers[1]?.headers.etag as string
  const fresh = await ask(url, { headers: { 'if-none-match': tag } })
  t.equal(fresh.status, 304)
  t.equal(fresh.body, '')
})

t.test('a hook that fails on a hit answers with its error', async (t) => {
  let fail = false
  const { url } = await open(t, {
    before: (app) =>
      app.addHook('onSend', async (_request, reply) => {
        if (fail && reply.statusCode < 500) throw new Error('broken hook')
      }),
    routes: (app) => app.get('/', TTL, async () => 'page'),
  })
  await ask(url)
  fail = true
  const failed = await ask(url)
  t.equal(failed.status, 500)
  t.match(failed.body, /broken hook/)
  fail = false
  t.match((await ask(url)).cache, /; hit/)
})

t.test('a hook that codes what is sent on a hit is followed', async (t) => {
  const { url } = await open(t, {
    before: (app) => app.register(compress, { threshold: 0 }),
    routes: (app) => app.get('/', TTL, async (_request, reply) => reply.type('text/plain').send('a text '.repeat(99))),
  })
  await ask(url, { headers: { 'accept-encoding': 'gzip', 'x-no-compression': '1' } })
  for (let i = 0; i < 2; i++) {
    const { headers, bytes } = await ask(url, { headers: { 'accept-encoding': 'gzip' } })
    t.equal(String(headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes), 'a text '.repeat(99))
  }
})

t.test('after a hit onResponse runs, and finds the fields', async (t) => {
  const seen: unknown[] = []
  const { url } = await open(t, {
    before: (app) =>
      app.addHook('onResponse', async (_request, reply: FastifyReply) => {
        seen.push([reply.statusCode, reply.getHeader('content-length'), String(reply.getHeader('cache-status'))])
      }),
    routes: (app) => app.get('/', TTL, async () => 'page'),
  })
  await ask(url)
  await ask(url)
  while (seen.length < 2) await new Promise(setImmediate)
  t.match(seen, [
    [200, '4', /stored/],
    [200, '4', /; hit/],
  ])
})

t.test('a trailer of a hook is sent with hits, too; one of the handler is not kept', async (t) => {
  const { url } = await open(t, {
    routes: (app) => {
      const hook = async (_request: unknown, reply: FastifyReply): Promise<void> => {
        reply.trailer('x-sum', (_reply, _payload, done) => done(null, '1'))
      }
      app.get('/hook', { ...TTL, onRequest: hook }, async () => 'page')
      app.get('/handler', TTL, async (request, reply) => {
        await hook(request, reply)
        return 'page'
      })
    },
  })
  for (const [path, kept] of [
    ['/hook', 'x-sum'],
    ['/handler', undefined],
  ] as const) {
    t.equal((await ask(url + path)).headers.trailer, 'x-sum')
    const hit = await ask(url + path)
    t.match(hit.cache, /; hit/)
    t.equal(hit.headers.trailer, kept)
    t.equal(hit.body, 'page')
  }
})

t.test('fields that cannot be sent are an error of that request alone, each time', async (t) => {
  const { url } = await open(t, {
    routes: (app) => {
      app.get('/value', TTL, async (_request, reply) => reply.header('x-bad', 'a\nb').send('x'))
      app.get('/name', TTL, async (_request, reply) => reply.header('x bad', '1').send('x'))
      app.get('/stream', TTL, async (_request, reply) => reply.header('x-bad', 'a\nb').send(Readable.from(['x'])))
    },
  })
  for (const path of ['/value', '/name', '/stream'])
    for (let i = 0; i < 2; i++) t.equal((await ask(url + path)).status, 500, path)
})

t.test('over HTTP/2', async (t) => {
  let handled = 0
  const app = fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(cacheAside, { redis: false })
  await app.register(responseCache, { ttl: '1m', staleWhileRevalidate: '1m' })
  const large = 'x'.repeat(200_000)
  app.get('/', { config: { responseCache: true } }, async () => `page ${++handled} ${large}`)
  const session = http2Connect(await app.listen({ port: 0, host: '127.0.0.1' }))
  t.teardown(() => session.destroy())
  const get = (method = 'GET'): Promise<{ cache: string; body: string }> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/', ':method': method })
      let cache = ''
      let body = ''
      stream.on('response', (headers) => {
        cache = String(headers['cache-status'])
      })
      stream.on('data', (chunk) => {
        body += chunk
      })
      stream.on('end', () => resolve({ cache, body }))
      stream.on('error', reject)
      stream.end()
    })
  t.match((await get()).cache, /stored/)
  const hit = await get()
  t.match(hit.cache, /; hit/)
  t.equal(hit.body, `page 1 ${large}`)
  t.equal((await get('HEAD')).body, '')
  await app.responseCache.purge('/', { soft: true })
  t.equal((await get()).body, `page 1 ${large}`)
  while (handled < 2) await new Promise(setImmediate)
  let body = ''
  while (!body.startsWith('page 2')) body = (await get()).body
  t.match((await get()).cache, /; hit/)
  t.equal(handled, 2, 'what was made in the background is found')
})
