import { gunzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import cacheAside from '@larder/cache-aside'
import { askState } from '@larder/core'
import responseCache, { type ResponseCacheOptions, type ResponseEvent, responseChannel } from '@larder/response-cache'
import { pollUntil } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { allSites, ask, open, type T } from './setup.js'

for (const site of await allSites()) {
  t.test(`${site.name}: purged by URL and by tag, gone or stale, here and elsewhere`, async (t) => {
    let handled = 0
    const shared = site.share(t)
    const { url, app } = await open(t, {
      ...shared,
      routes: (app) => {
        const config = {
          responseCache: { ttl: '1m', tags: (request: { url: string }) => [`page:${request.url}`, 'pages'] },
        }
        app.get('/a', { config }, async () => `a ${++handled}`)
        app.get('/b', { config }, async (_request, reply) =>
          reply
            .header('vary', 'accept')
            .header('surrogate-key', 'one two')
            .header('cache-tag', 'three, four')
            .send(`b ${++handled}`),
        )
        app.responseCache.purgeRoute('/purge', {
          guard: async (request, reply) => {
            if (request.headers.authorization !== 'Bearer right') return reply.code(401).send()
          },
        })
      },
    })
    const hit = async (path: string): Promise<boolean> => /; hit/.test((await ask(url + path)).cache)
    const fill = async (): Promise<void> => {
      await ask(`${url}/a`)
      await ask(`${url}/b`)
      t.strictSame([await hit('/a'), await hit('/b')], [true, true])
    }
    await fill()
    await app.responseCache.purge('/a')
    t.strictSame([await hit('/a'), await hit('/b')], [false, true])
    await app.responseCache.purge('http://any.example/b')
    t.equal(await hit('/b'), false)
    for (const tag of ['one', 'two', 'three', 'four', 'page:/b']) {
      await fill()
      await app.responseCache.purgeTags([tag])
      t.strictSame([await hit('/a'), await hit('/b')], [true, false], tag)
    }
    await fill()
    await app.responseCache.purgeTags(['pages'])
    t.strictSame([await hit('/a'), await hit('/b')], [false, false])
    await fill()
    const before = handled
    await app.responseCache.purge('/a', { soft: true })
    t.equal(await hit('/a'), true, 'served while it is made anew')
    while (handled === before) await new Promise(setImmediate)
    await fill()
    await app.responseCache.clear()
    t.strictSame([await hit('/a'), await hit('/b')], [false, false])
    await fill()
    const purge = (body: unknown, token = 'right') =>
      app.inject({
        method: 'POST',
        url: '/purge',
        headers: { authorization: `Bearer ${token}` },
        payload: body as object,
      })
    t.equal((await purge({ urls: ['/a'] }, 'wrong')).statusCode, 401)
    t.equal(await hit('/a'), true)
    t.equal((await purge({ urls: ['/a'], tags: ['one'] })).statusCode, 204)
    t.strictSame([await hit('/a'), await hit('/b')], [false, false])
    for (const bad of [{}, { urls: '/a' }, { tags: [''] }, { urls: ['/a'], soft: 1 }]) {
      const answer = await purge(bad)
      t.equal(answer.statusCode, 400)
      t.equal(answer.json().code, 'LARDER_RESPONSE_CACHE_BAD_PURGE')
    }
  })
}

for (const order of ['before', 'after'] as const) {
  t.test(`with @fastify/compress registered ${order}, clients get what they can read`, async (t) => {
    let handled = 0
    const text = 'a long text '.repeat(500)
    const { url } = await open(t, {
      before: (app) => (order === 'before' ? app.register(compress, { threshold: 0 }) : undefined),
      routes: async (app) => {
        if (order === 'after') await app.register(compress, { threshold: 0 })
        app.get('/', { config: { responseCache: { ttl: '1m' } } }, async (_request, reply) => {
          handled++
          return reply.type('text/plain').send(text)
        })
      },
    })
    const read = async (encoding?: string): Promise<string> => {
      const { bytes, headers } = await ask(url, { headers: encoding ? { 'accept-encoding': encoding } : {} })
      return String(headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes)
    }
    for (const encoding of ['gzip', undefined, 'gzip', undefined, 'GZIP']) t.equal(await read(encoding), text)
    t.equal(handled, order === 'before' ? 2 : 1)
  })
}

t.test('any order of registration works, and what is missing is said at once', async (t) => {
  const make = async (setup: (app: ReturnType<typeof fastify>) => unknown): Promise<string | undefined> => {
    const app = fastify()
    t.teardown(() => app.close())
    try {
      await setup(app)
      await app.ready()
      return undefined
    } catch (error) {
      return (error as { code?: string }).code
    }
  }
  const register = (app: ReturnType<typeof fastify>, options: ResponseCacheOptions = {}) =>
    app.register(responseCache, options)
  t.equal(
    await make(async (app) => {
      await register(app)
      await app.register(cacheAside, { redis: false })
    }),
    undefined,
  )
  t.equal(await make((app) => register(app)), 'LARDER_RESPONSE_CACHE_NO_CACHE')
  t.equal(
    await make(async (app) => {
      await app.register(cacheAside, { redis: false })
      await register(app)
      await register(app)
    }),
    'LARDER_DUPLICATE_NAME',
  )
  t.equal(
    await make(async (app) => {
      await app.register(cacheAside, { redis: false })
      await register(app)
      app.get('/', { config: { responseCache: { tags: ['a'] } } }, async () => 'x')
    }),
    'LARDER_RESPONSE_CACHE_NO_TAGS',
  )
  t.equal(
    await make(async (app) => {
      await app.register(cacheAside, { redis: false })
      await register(app)
      app.responseCache.purgeRoute('/purge', { guard: [] })
    }),
    'LARDER_RESPONSE_CACHE_NO_GUARD',
  )
  const bad: Record<string, unknown>[] = [
    { ttl: -1 },
    { ttl: 'soon' },
    { vary: ['*'] },
    { vary: 'accept' },
    { tags: [''] },
    { hook: 'onSend' },
    { status: { name: '' } },
    { maxVariants: 0 },
    { maxBodyBytes: 0 },
    { cookies: 'some' },
    { global: 1 },
    { unknown: 1 },
    { private: 'id' },
  ]
  for (const options of bad) {
    t.equal(
      await make(async (app) => {
        await app.register(cacheAside, { redis: false })
        await register(app, options as ResponseCacheOptions)
      }),
      'LARDER_INVALID_OPTION',
      JSON.stringify(options),
    )
  }
  t.equal(
    await make(async (app) => {
      await app.register(cacheAside, { redis: false })
      await register(app)
      app.get('/', { config: { responseCache: { global: true } as never } }, async () => 'x')
    }),
    'LARDER_INVALID_OPTION',
  )
})

/** What an application tells from now on. */
function listen(t: T, app: FastifyInstance): ResponseEvent[] {
  const events: ResponseEvent[] = []
  const hear = (message: unknown): void =>
    void ((message as ResponseEvent).app === app.server && events.push(message as ResponseEvent))
  responseChannel.subscribe(hear)
  t.teardown(() => responseChannel.unsubscribe(hear))
  return events
}

t.test('what happens is told on the diagnostics channel, with the pattern of the route', async (t) => {
  const { url, app } = await open(t, {
    routes: (app) => app.get('/items/:id', { config: { responseCache: { ttl: '1m' } } }, async () => 'x'),
  })
  const events = listen(t, app)
  await ask(`${url}/items/1`)
  await ask(`${url}/items/1`)
  await ask(`${url}/items/1`, { headers: { range: 'bytes=0-1' } })
  await app.responseCache.purge('/items/1')
  await app.responseCache.clear()
  t.strictSame(
    events.map((event) => (event.type === 'request' ? [event.route, event.result] : event)),
    [
      ['/items/:id', 'miss'],
      ['/items/:id', 'hit'],
      ['/items/:id', 'bypass'],
      { type: 'purge', cache: 'responses', app: app.server, what: 'url' },
      { type: 'purge', cache: 'responses', app: app.server, what: 'all' },
    ],
  )
  t.ok(events.every((event) => event.type !== 'request' || (event.milliseconds > 0 && event.milliseconds < 60_000)))
  const parts = askState(app.server).filter(({ plugin }) => plugin === 'responses')
  t.strictSame(
    parts.map(({ name, part }) => [name, part]),
    [
      ['responses', undefined],
      ['responses', '/items/:id'],
    ],
  )
})

t.test('a refresh in the background is told as such, and is no request', async (t) => {
  const { url, app } = await open(t, {
    routes: (app) =>
      app.get('/', { config: { responseCache: { ttl: '1m', staleWhileRevalidate: '1m' } } }, async () => 'x'),
  })
  await ask(url)
  await app.responseCache.purge('/', { soft: true })
  const events = listen(t, app)
  await ask(url)
  await pollUntil('the refresh', async () => events.length === 2)
  events.sort((a, b) => a.type.localeCompare(b.type))
  t.match(events, [
    { type: 'refresh', route: '/' },
    { type: 'request', route: '/', result: 'stale' },
  ])
})
