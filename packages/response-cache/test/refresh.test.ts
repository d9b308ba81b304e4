import { pollUntil } from '@larder/test-redis'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import { httpDate, openProxy } from './origin.js'
import { ask, deferred, open } from './setup.js'

const SWR = { ttl: '1m', staleWhileRevalidate: '1m' }

t.test('what is made anew in the background is what the next request finds, whatever host was asked for', async (t) => {
  let handled = 0
  const { url, app, port } = await open(t, {
    routes: (app) =>
      app.get('/', { config: { responseCache: SWR } }, async ({ protocol, host }) => {
        handled++
        return `${handled} at ${protocol}://${host}`
      }),
  })
  for (const host of [`127.0.0.1:${port}`, 'shop.example', `shop.example:${port}`, 'shop.example:1']) {
    const headers = { host }
    await app.responseCache.purge('/')
    handled = 0
    t.equal((await ask(url, { headers })).body, `1 at http://${host}`)
    await app.responseCache.purge('/', { soft: true })
    t.equal((await ask(url, { headers })).body, `1 at http://${host}`)
    await pollUntil('the refresh', async () => (await ask(url, { headers })).body === `2 at http://${host}`)
    t.match((await ask(url, { headers })).cache, /; hit/)
    t.equal(handled, 2, host)
  }
})

t.test('a page of a user is made anew for that user, or not at all', async (t) => {
  const served: unknown[] = []
  let bySocket = false
  const { url, app } = await open(t, {
    routes: (app) => {
      // Somebody may tell users by what no request through the application has.
      const user = ({ headers, socket }: FastifyRequest): string | undefined =>
        bySocket && socket.localPort === undefined ? 'bob' : headers.cookie
      app.get('/', { config: { responseCache: { ...SWR, private: user } } }, async (request) => {
        served.push(user(request))
        return `of ${user(request)}`
      })
    },
  })
  const alice = { headers: { cookie: 'alice' } }
  await ask(url, alice)
  for (const by of [false, true]) {
    bySocket = by
    const before = served.length
    await app.responseCache.purge('/', { user: 'alice', soft: true })
    t.equal((await ask(url, alice)).body, 'of alice')
    await pollUntil('the refresh', async () => served.length > before)
    t.equal(served[before], by ? 'bob' : 'alice')
    t.equal((await ask(url, alice)).body, 'of alice')
  }
})

t.test('RFC 9111 4.3.1: a date alone is asked about, without an entity tag that the origin never gave', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  const modified = httpDate(-1_000)
  answer({ headers: { 'cache-control': 'max-age=10', age: '20', 'last-modified': modified } })
  await ask(url)
  answer({ status: 304, headers: { 'cache-control': 'max-age=60' } })
  const second = await ask(url)
  t.equal(asked[1]?.headers['if-none-match'], undefined)
  t.equal(asked[1]?.headers['if-modified-since'], modified)
  t.equal(second.body, 'answer 1')
  const third = await ask(url)
  t.match(third.cache, /; hit/)
  t.equal(third.headers.etag, second.headers.etag)
})

t.test(
  'RFC 9111 4.3.4: a 304 about another response refreshes nothing, and the origin is asked again for the whole',
  async (t) => {
    const strong = '"1"'
    const rows: [name: string, kept: Record<string, string>, told: Record<string, string>, about: boolean][] = [
      ['the same strong tag', { etag: strong }, { etag: strong }, true],
      ['another strong tag', { etag: strong }, { etag: '"2"' }, false],
      ['a weak tag that matches', { etag: 'W/"1"' }, { etag: 'W/"1"' }, true],
      ['a weak tag that matches a strong one', { etag: strong }, { etag: 'W/"1"' }, true],
      ['a strong tag where a weak one is kept', { etag: 'W/"1"' }, { etag: strong }, false],
      ['a tag where none is kept', { 'last-modified': httpDate(-100) }, { etag: strong }, false],
      ['no tag', { etag: strong }, {}, true],
      ['the same date', { 'last-modified': httpDate(-100) }, { 'last-modified': httpDate(-100) }, true],
      ['another date', { 'last-modified': httpDate(-100) }, { 'last-modified': httpDate(-50) }, false],
      ['no date', { 'last-modified': httpDate(-100) }, {}, true],
    ]
    for (const [name, kept, told, about] of rows) {
      const { url, asked, answer } = await openProxy(t)
      answer({ headers: { 'cache-control': 'max-age=10', age: '20', 'x-version': '1', ...kept } })
      await ask(url)
      answer((request, response) => {
        response.sendDate = false
        const conditional = request.headers['if-none-match'] ?? request.headers['if-modified-since']
        if (conditional === undefined) {
          response.writeHead(200, { 'cache-control': 'max-age=60', etag: '"2"', 'x-version': '2' })
          response.end('anew')
        } else {
          response.writeHead(304, { 'cache-control': 'max-age=60', 'x-version': '2', ...told })
          response.end()
        }
      })
      const before = asked.length
      const answers = [await ask(url), await ask(url)]
      t.strictSame(
        answers.map(({ status, body }) => [status, body !== 'anew']),
        [
          [200, about],
          [200, about],
        ],
        name,
      )
      t.ok(answers.every(({ headers }) => headers['x-version'] === '2'))
      t.equal(asked.length - before, about ? 1 : 3, `${name}: condition, whole; then a miss`)
      t.match((await ask(url)).cache, /; hit/)
    }
  },
)

t.test('RFC 9111 3.2: a 304 changes all fields but those of the content and of the connection', async (t) => {
  const { url, answer } = await openProxy(t)
  const fields = (n: number): Record<string, string> => ({
    etag: '"1"',
    'content-type': `text/x-${n}`,
    'content-language': `l${n}`,
    'content-security-policy': `default-src h${n}`,
    'content-location': `/${n}`,
    'x-field': String(n),
  })
  answer({ headers: { 'cache-control': 'max-age=10', age: '20', ...fields(1) } })
  await ask(url)
  answer({ status: 304, headers: { 'cache-control': 'max-age=60', connection: 'x-hop', 'x-hop': '1', ...fields(2) } })
  await ask(url)
  const { headers, cache } = await ask(url)
  t.match(cache, /; hit/)
  t.match(headers, {
    'content-type': 'text/x-1',
    'content-language': 'l1',
    'content-security-policy': 'default-src h2',
    'content-location': '/2',
    'x-field': '2',
  })
  t.equal(headers['x-hop'], undefined)
})

t.test('RFC 9111 4.3.5: what HEAD tells of another response makes the one that is kept void', async (t) => {
  const rows: [headers: Record<string, string>, kept: boolean][] = [
    [{ etag: '"1"' }, true],
    [{ etag: '"2"' }, false],
    [{ 'content-length': '8' }, true],
    [{ 'content-length': '9' }, false],
    [{}, true],
  ]
  for (const [told, kept] of rows) {
    const { url, answer } = await openProxy(t)
    answer({ headers: { 'cache-control': 'max-age=60', etag: '"1"' } })
    await ask(url)
    answer((_request, response) => response.writeHead(200, told).end())
    t.equal((await ask(url, { method: 'HEAD', headers: { 'cache-control': 'no-cache' } })).status, 200)
    answer({ headers: { 'cache-control': 'max-age=60', etag: '"2"' } })
    t.equal((await ask(url)).body === 'answer 1', kept, JSON.stringify(told))
  }
})

t.test('stale-if-error covers a stream that breaks before its first byte', async (t) => {
  const { url, answer } = await openProxy(t)
  answer({ headers: { 'cache-control': 'max-age=10, stale-if-error=60', age: '20' } })
  await ask(url)
  answer((_request, response) => response.destroy())
  const got = await ask(url)
  t.equal(got.body, 'answer 1')
  t.match(got.cache, /^Larder; fwd=stale; fwd-status=\d+; ttl=-\d+$/)
})

t.test('a handler whose stream breaks before its first byte: an error, told once', async (t) => {
  const { Readable } = await import('node:stream')
  const { url } = await open(t, {
    routes: (app: FastifyInstance) =>
      app.get(
        '/',
        { config: { responseCache: SWR } },
        async () =>
          new Readable({
            read() {
              this.destroy(new Error('no first byte'))
            },
          }),
      ),
  })
  for (let i = 0; i < 2; i++) {
    const got = await ask(url)
    t.equal(got.status, 500)
    t.notMatch(got.headers['cache-status'], /stored/)
    t.notMatch(got.headers['cache-status'], /,/)
  }
})

t.test('what was purged while it was made is not kept', async (t) => {
  let gate = deferred()
  let running = 0
  let arrived = 0
  const { url, app } = await open(t, {
    before: (app) => app.addHook('onRequest', async () => void arrived++),
    routes: (app) =>
      app.get('/', { config: { responseCache: { ttl: '1m', tags: ['a'] } } }, async () => {
        const mine = ++running
        await gate.promise
        return `page ${mine}`
      }),
  })
  for (const purge of [
    () => app.responseCache.purge('/'),
    () => app.responseCache.purgeTags(['a']),
    () => app.responseCache.clear(),
  ]) {
    await app.responseCache.clear()
    gate = deferred()
    running = 0
    arrived = 0
    const first = ask(url)
    while (running === 0) await new Promise(setImmediate)
    await purge()
    const second = ask(url)
    while (arrived < 2) await new Promise(setImmediate)
    gate.resolve()
    t.equal((await first).body, 'page 1')
    t.equal((await second).body, 'page 2', 'nobody is answered with what began before')
    t.equal((await ask(url)).body, 'page 2')
  }
})
