import { connect } from 'node:net'
import t from 'tap'
import { httpDate, openProxy } from './origin.js'
import { ask, open } from './setup.js'

const FRESH = { 'cache-control': 'max-age=60' }

t.test('RFC 9111 4.3.2: conditions of clients are answered from what is kept', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  const modified = httpDate(-1_000)
  answer({ headers: { ...FRESH, etag: '"a,b"', 'last-modified': modified, 'content-language': 'en', 'x-other': '1' } })
  await ask(url)
  const rows: [headers: Record<string, string>, status: number][] = [
    [{ 'if-none-match': '"a,b"' }, 304],
    [{ 'if-none-match': 'W/"a,b"' }, 304],
    [{ 'if-none-match': '"x", W/"a,b" , "y"' }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"a", "b"' }, 200],
    [{ 'if-none-match': 'a,b' }, 200],
    [{ 'if-none-match': '' }, 200],
    [{ 'if-modified-since': modified }, 304],
    [{ 'if-modified-since': httpDate(0) }, 304],
    [{ 'if-modified-since': httpDate(-2_000) }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-modified-since': modified, 'if-none-match': '"other"' }, 200],
  ]
  for (const [headers, status] of rows) {
    const got = await ask(url, { headers })
    t.equal(got.status, status, JSON.stringify(headers))
    t.match(got.cache, /; hit/)
    t.equal(got.body, status === 304 ? '' : 'answer 1')
    t.equal(got.headers.etag, '"a,b"')
    t.equal(got.headers['x-other'], '1')
    t.equal(got.headers['content-language'], status === 304 ? undefined : 'en')
    t.ok(got.headers.date && got.headers['cache-control'] && got.headers.age)
  }
  t.equal(asked.length, 1)
})

t.test('the condition of the first client is answered by the cache, which asks for the whole', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  answer({ headers: { ...FRESH, etag: '"1"' } })
  const first = await ask(url, { headers: { 'if-none-match': '"1"' } })
  t.equal(asked[0]?.headers['if-none-match'], undefined)
  t.ok(first.status === 304 || first.body === 'answer 1')
  t.equal((await ask(url)).body, 'answer 1')
})

t.test('an entity tag is made once, is strong, and tells bodies apart', async (t) => {
  let n = 0
  const { url } = await open(t, {
    routes: (app) =>
      app.get('/:id', { config: { responseCache: { ttl: '1m' } } }, async () => `body ${Math.min(++n, 2)}`),
  })
  const one = await ask(`${url}/1`)
  const two = await ask(`${url}/2`)
  const three = await ask(`${url}/3`)
  t.match(one.headers.etag, /^"[\w-]+"$/)
  t.not(one.headers.etag, two.headers.etag)
  t.equal(two.headers.etag, three.headers.etag)
  const again = await ask(`${url}/1`, { headers: { 'if-none-match': one.headers.etag as string } })
  t.equal(again.status, 304)
  t.equal(
    (await ask(`${url}/4`, { headers: { 'if-none-match': two.headers.etag as string } })).status,
    304,
    'also at once',
  )
})

t.test('RFC 9111 4.3.4: a 304 of the origin refreshes what is kept, and clients get the whole', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  answer({
    headers: {
      'cache-control': 'max-age=10',
      age: '20',
      etag: '"1"',
      'x-version': '1',
      'x-kept': 'yes',
      'content-type': 'text/plain',
    },
  })
  await ask(url)
  answer({
    status: 304,
    headers: { 'cache-control': 'max-age=60', etag: '"1"', 'x-version': '2', 'content-type': 'text/odd' },
  })
  const second = await ask(url)
  t.equal(asked[1]?.headers['if-none-match'], '"1"')
  t.equal(second.status, 200)
  t.equal(second.body, 'answer 1')
  t.equal(second.cache, 'Larder; fwd=stale; fwd-status=304; ttl=60; stored')
  const third = await ask(url)
  t.match(third.cache, /; hit; ttl=/)
  t.equal(third.headers['x-version'], '2')
  t.equal(third.headers['x-kept'], 'yes')
  t.equal(third.headers['content-type'], 'text/plain')
  t.equal(asked.length, 2)
  t.equal((await ask(url, { headers: { 'if-none-match': '"1"' } })).status, 304)
})

t.test('RFC 9111 5.2.2.4: what is `no-cache` is validated each time', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  answer({ headers: { 'cache-control': 'no-cache', etag: '"1"' } })
  await ask(url)
  answer({ status: 304, headers: { 'cache-control': 'no-cache', etag: '"1"' } })
  for (let i = 0; i < 3; i++) t.equal((await ask(url)).body, 'answer 1')
  t.equal(asked.length, 4)
  answer({ headers: { 'cache-control': 'no-cache', etag: '"2"' } })
  t.equal((await ask(url)).body, 'answer 5')
})

t.test('RFC 5861 4: a stale page is served where the origin fails, or drops the connection', async (t) => {
  const { url, answer } = await openProxy(t)
  const stale = { headers: { 'cache-control': 'max-age=10, stale-if-error=60', age: '20', 'x-a': '1' } }
  answer(stale)
  await ask(url)
  for (const status of [500, 502, 503, 504]) {
    answer({ status, headers: { 'x-failed': 'yes' } })
    const got = await ask(url)
    t.equal(got.status, 200)
    t.equal(got.body, 'answer 1')
    t.equal(got.headers['x-failed'], undefined)
    t.equal(got.headers['x-a'], '1')
    t.match(got.cache, new RegExp(`^Larder; fwd=stale; fwd-status=${status}; ttl=-\\d+$`))
  }
  answer((request) => request.socket.destroy())
  const dropped = await ask(url)
  t.equal(dropped.body, 'answer 1')
  answer({ status: 404 })
  t.equal((await ask(url)).status, 404, 'an answer is no failure')
})

t.test('RFC 9111 4.2.4: but not where that is forbidden, nor without being allowed', async (t) => {
  const { url, answer } = await openProxy(t)
  for (const [i, value] of [
    'max-age=10',
    'max-age=10, stale-if-error=60, must-revalidate',
    's-maxage=10, stale-if-error=60',
    'max-age=10, stale-if-error=5',
  ].entries()) {
    answer({ headers: { 'cache-control': value, age: '20' } })
    await ask(`${url}/${i}`)
    answer({ status: 502 })
    t.equal((await ask(`${url}/${i}`)).status, 502, value)
  }
})

t.test('HEAD is answered from what GET brought', async (t) => {
  const { url, asked, answer } = await openProxy(t)
  answer({ headers: { ...FRESH, 'x-a': '1' } })
  t.match((await ask(url, { method: 'HEAD' })).cache, /fwd=/)
  await ask(url)
  const head = await ask(url, { method: 'HEAD' })
  t.match(head.cache, /; hit/)
  t.equal(head.body, '')
  t.equal(head.headers['x-a'], '1')
  t.equal(head.headers['content-length'], '8')
  t.equal(asked.length, 2)
})

t.test('RFC 9111 4.4: what changes a URI makes what is kept of it invalid', async (t) => {
  const { url, answer } = await openProxy(t)
  const stillKept = async (path: string): Promise<boolean> => /; hit/.test((await ask(url + path)).cache)
  const fill = async (): Promise<void> => {
    answer({ headers: FRESH })
    for (const path of ['/a', '/b', '/c']) await ask(url + path)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    await fill()
    answer({ status: 200, headers: { location: '/b', 'content-location': `${url}/c` } })
    await ask(`${url}/a`, { method })
    answer({ headers: FRESH })
    t.strictSame([await stillKept('/a'), await stillKept('/b'), await stillKept('/c')], [false, false, false], method)
  }
  await fill()
  answer({ status: 400, headers: { location: '/b' } })
  await ask(`${url}/a`, { method: 'POST' })
  answer({ headers: { location: 'http://other.example/b' } })
  await ask(`${url}/c`, { method: 'POST' })
  answer({ headers: FRESH })
  t.strictSame(
    [await stillKept('/a'), await stillKept('/b'), await stillKept('/c')],
    [true, true, false],
    'failed; another origin',
  )
  answer({})
  await ask(`${url}/a`, { method: 'OPTIONS' })
  t.equal(await stillKept('/a'), true, 'a safe method')
})

t.test('RFC 9110 9.3.3: an answer to POST that says so is what GET brings', async (t) => {
  let got = 0
  const { url } = await open(t, {
    routes: (app) => {
      app.get('/item', { config: { responseCache: { ttl: '1m' } } }, async () => `got ${++got}`)
      app.post('/item', { config: { responseCache: {} } }, async (request, reply) => {
        const { fresh, self } = request.query as Record<string, string>
        if (fresh) reply.header('cache-control', 'max-age=60')
        if (self) reply.header('content-location', '/item')
        return 'posted'
      })
    },
  })
  await ask(`${url}/item?fresh=1&self=1`, { method: 'POST' })
  t.equal((await ask(`${url}/item`)).body, 'got 1', 'of another URI than its own')
  const post = async (headers: Record<string, string>): Promise<string> => {
    const app = await open(t, {
      routes: (app) => {
        app.get('/', { config: { responseCache: { ttl: '1m' } } }, async () => 'got')
        app.post('/', { config: { responseCache: {} } }, async (_request, reply) =>
          reply.headers(headers).send('posted'),
        )
      },
    })
    await ask(app.url)
    t.equal((await ask(app.url, { method: 'POST' })).body, 'posted')
    return (await ask(app.url)).body
  }
  t.equal(await post({ 'cache-control': 'max-age=60', 'content-location': '/' }), 'posted')
  t.equal(await post({ 'cache-control': 'max-age=60' }), 'got')
  t.equal(await post({ 'content-location': '/' }), 'got')
})

t.test('RFC 9111 5.2.1.7: `only-if-cached` without anything is 504', async (t) => {
  const { url, asked } = await openProxy(t)
  const got = await ask(url, { headers: { 'cache-control': 'only-if-cached' } })
  t.equal(got.status, 504)
  t.match(got.body, /LARDER_RESPONSE_CACHE_NOT_CACHED/)
  t.equal(asked.length, 0)
})

t.test(
  'RFC 9111 3.1, 5.1: fields of the connection and of others are not kept; Age and Date tell how old it is',
  async (t) => {
    const { url, answer } = await openProxy(t)
    const date = httpDate(-5)
    answer({
      headers: {
        'cache-control': 'max-age=60, private="x-one", no-cache="x-two"',
        date,
        age: '20',
        connection: 'x-hop',
        'x-hop': '1',
        'proxy-authenticate': 'Basic',
        'x-one': '1',
        'x-two': '2',
        'x-three': ['3', '4'],
      },
    })
    await ask(url)
    const { headers } = await ask(url)
    for (const name of ['x-hop', 'proxy-authenticate', 'x-one', 'x-two']) t.equal(headers[name], undefined, name)
    t.equal(headers['x-three'], '3, 4')
    t.equal(headers.date, date)
    t.ok(Number(headers.age) >= 20 && Number(headers.age) < 60)
  },
)

t.test('RFC 9111 4.2.2: guesses, once they are asked for', async (t) => {
  const { url, answer } = await openProxy(t, { heuristics: true })
  answer({ headers: { 'last-modified': httpDate(-100_000) } })
  await ask(`${url}/a`)
  t.match((await ask(`${url}/a`)).cache, /; hit; ttl=(9999|10000)/)
  answer({ status: 403, headers: { 'last-modified': httpDate(-100_000) } })
  await ask(`${url}/b`)
  t.notMatch((await ask(`${url}/b`)).cache, /; hit/, 'not of every status')
})

t.test('RFC 9110 15.2: interim answers are passed on', async (t) => {
  const { port } = await open(t, {
    routes: (app) =>
      app.get('/', { config: { responseCache: { ttl: '1m' } } }, async (_request, reply) => {
        reply.writeEarlyHints({ link: '</style.css>; rel=preload' })
        return 'final'
      }),
  })
  const text = await new Promise<string>((resolve) => {
    let got = ''
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
    )
    socket.on('data', (chunk) => {
      got += chunk
    })
    socket.on('close', () => resolve(got))
  })
  t.match(text, /^HTTP\/1.1 103 Early Hints\r\n/)
  t.match(text, /HTTP\/1.1 200 OK\r\n[\s\S]*final$/)
})

t.test(
  'RFC 9211: Cache-Status follows what caches before have said, has a name, and tells the key only if asked to',
  async (t) => {
    const { url, answer } = await openProxy(t, { status: { name: 'Shop', key: true } })
    answer({ headers: { ...FRESH, 'cache-status': 'Origin; hit' } })
    await ask(`${url}/a"b`)
    t.match((await ask(`${url}/a"b`)).headers['cache-status'], /^Origin; hit, Shop; hit; ttl=\d+; key="\/a\\"b"$/)
    const silent = await openProxy(t, { status: false })
    t.equal((await ask(silent.url)).headers['cache-status'], undefined)
  },
)
