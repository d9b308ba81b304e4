import t from 'tap'
import { openProxy } from './origin.js'
import { ask, open, raw } from './setup.js'

const TTL = { config: { responseCache: { ttl: '1m' } } }
const NIGHTLY = Boolean(process.env.LARDER_NIGHTLY)

/** Lets timers and sockets have their turn now and then: injected requests alone never leave it. */
async function turn(i: number): Promise<void> {
  if (i % 50 === 0) await new Promise(setImmediate)
}

t.test('URLs that are written otherwise are other pages: no two collide', async (t) => {
  const { url } = await open(t, { routes: (app) => app.get('/*', TTL, async (request) => request.raw.url) })
  const paths = [
    '/a',
    '/a/',
    '/A',
    '/%61',
    '/a?',
    '/a?b',
    '/a?b=',
    '/a?b=1&c=2',
    '/a?c=2&b=1',
    '/a%3Fb',
    '/a%20b',
    '/a+b',
    '/a//b',
    '/a/./b',
    '/a/../b',
    '/a;b',
    '/%C3%A4',
    '/a%00',
    '/P%20/a',
    '/Ga',
    `/${'x'.repeat(300)}`,
    `/${'x'.repeat(299)}y`,
  ]
  for (const path of paths) t.equal((await ask(url + path)).body, path)
  for (const path of paths) {
    const again = await ask(url + path)
    t.equal(again.body, path)
    t.match(again.cache, /; hit/, path)
  }
})

t.test('a host that somebody names poisons nobody else’s pages, and a purge reaches all of them', async (t) => {
  for (const trustProxy of [false, true]) {
    const { url, app } = await open(t, {
      server: { trustProxy },
      routes: (app) => app.get('/', TTL, async (request) => `<base href="${request.protocol}://${request.host}">`),
    })
    const honest = (await ask(url)).body
    const poison: Record<string, string>[] = [
      { 'x-forwarded-host': 'evil.example' },
      { 'x-forwarded-proto': 'https' },
      { host: 'evil.example' },
      { host: '127.0.0.1:1337' },
    ]
    for (const headers of poison) await ask(url, { headers })
    t.equal((await ask(url)).body, honest)
    await app.responseCache.purge('/')
    for (const headers of poison) await ask(url, { headers })
    t.equal((await ask(url)).body, honest, 'nor when it came first')
    await app.responseCache.purge('/')
    for (const headers of [{}, { host: 'evil.example' }, { host: '127.0.0.1:1337' }] as Record<string, string>[])
      t.notMatch((await ask(url, { headers })).cache, /; hit/)
  }
})

t.test('a field that a handler goes by is part of the key once `vary` names it', async (t) => {
  const { url } = await open(t, {
    routes: (app) =>
      app.get(
        '/',
        { config: { responseCache: { ttl: '1m', vary: ['X-Forwarded-Host'] } } },
        async ({ headers }) => `at ${headers['x-forwarded-host']}`,
      ),
  })
  const evil = await ask(url, { headers: { 'x-forwarded-host': 'evil.example' } })
  t.equal(evil.headers.vary, 'x-forwarded-host')
  const honest = await ask(url)
  t.equal(honest.body, 'at undefined')
  t.equal((await ask(url)).headers.vary, 'x-forwarded-host')
})

t.test('variants without end are bounded: in places, and those that are taken stay', async (t) => {
  const { app } = await open(t, {
    maxVariants: 64,
    routes: (app) =>
      app.get('/', TTL, async ({ headers }, reply) =>
        reply.header('vary', 'user-agent').send(`for ${headers['user-agent']}`),
      ),
  })
  const as = (agent: string) => app.inject({ url: '/', headers: { 'user-agent': agent } })
  for (let i = 0; i < 8; i++) await as(`browser ${i}`)
  const count = NIGHTLY ? 100_000 : 2_000
  let wrong = 0
  for (let i = 0; i < count; i++) {
    if ((await as(`agent ${i}`)).body !== `for agent ${i}`) wrong++
    await turn(i)
  }
  t.equal(wrong, 0)
  for (let i = 0; i < 8; i++) t.match((await as(`browser ${i}`)).headers['cache-status'], /; hit/)
  let kept = 0
  for (let i = 0; i < 2_000; i++) if (/; hit/.test(String((await as(`agent ${i}`)).headers['cache-status']))) kept++
  t.ok(kept <= 64, `${kept} kept`)
})

t.test('memory stays bounded while ever other URLs are asked for', async (t) => {
  const { app } = await open(t, {
    memory: { maxEntries: 500, maxBytes: '1mb' },
    routes: (app) =>
      app.get('/:id', TTL, async (request) => `${(request.params as { id: string }).id} ${'x'.repeat(1_000)}`),
  })
  const count = NIGHTLY ? 100_000 : 5_000
  for (let i = 0; i < count; i++) {
    await app.inject(`/${i}`)
    await turn(i)
  }
  let kept = 0
  for (let i = 0; i < count; i += 10)
    if (/; hit/.test(String((await app.inject(`/${i}`)).headers['cache-status']))) kept++
  t.ok(kept <= 500, `${kept} kept`)
})

t.test('fields without end are passed on and not kept', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  const rows: Record<string, string>[] = [
    { 'x-bomb': 'x'.repeat(15_000), 'x-more': 'y'.repeat(2_000) },
    { vary: Array.from({ length: 400 }, (_, i) => `x-${i}`).join(',') },
  ]
  for (const [i, more] of rows.entries()) {
    answer({ headers: { 'cache-control': 'max-age=60', ...more } })
    for (let n = 0; n < 2; n++) t.notMatch((await ask(`${url}/${i}`)).cache, /; hit/)
  }
  answer({ headers: { 'cache-control': `${'x="'.repeat(4_000)}${','.repeat(100)}` } })
  t.equal((await ask(`${url}/quotes`)).status, 200)
  answer({ headers: { 'cache-control': `max-age=60${', x'.repeat(4_000)}` } })
  t.equal((await ask(`${url}/many`)).status, 200)
  t.ok(asked.length >= 6)
})

t.test('requests that hide another in themselves are no hits, and leave the connection in step', async (t) => {
  const { port, url } = await open(t, {
    routes: (app) => {
      app.get('/', TTL, async () => 'page')
      app.get('/admin', async () => 'admin')
    },
  })
  await ask(url)
  const both = await raw(
    port,
    'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  )
  t.match(both, /^HTTP\/1.1 400/)
  t.notMatch(both, 'admin')
  const hidden = 'GET /admin HTTP/1.1\r\nHost: a\r\n\r\n'
  const body = await raw(
    port,
    `GET / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: ${hidden.length}\r\nConnection: close\r\n\r\n${hidden}`,
  )
  t.notMatch(body, 'admin')
  t.match(body, /fwd=bypass; detail=content/)
  const { headers } = await ask(url)
  for (const name of ['transfer-encoding', 'upgrade', 'keep-alive']) t.equal(headers[name], undefined)
})

t.test('nobody from outside passes for a revalidation of ours', async (t) => {
  const { url } = await open(t, { routes: (app) => app.get('/', TTL, async () => 'page') })
  await ask(url)
  t.match(
    (await ask(url, { headers: { 'larder-revalidation': '00000000-0000-0000-0000-000000000000' } })).cache,
    /; hit/,
  )
})
