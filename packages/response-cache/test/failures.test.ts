import { request as httpRequest } from 'node:http'
import { Readable } from 'node:stream'
import { pollUntil, startRedis } from '@larder/test-redis'
import t from 'tap'
import { ask, deferred, open } from './setup.js'

const TTL = { config: { responseCache: { ttl: '1m' } } }

t.test('a handler that throws is called by each who asks, and nothing is kept', async (t) => {
  let handled = 0
  const { url } = await open(t, {
    routes: (app) =>
      app.get('/', TTL, async (_request, reply) => {
        handled++
        reply.header('cache-control', 'max-age=60')
        throw Object.assign(new Error('no such page'), { statusCode: 404 })
      }),
  })
  for (let i = 1; i <= 3; i++) {
    t.equal((await ask(url)).status, 404)
    t.equal(handled, i)
  }
})

t.test('a handler that takes the reply for itself releases those who wait', async (t) => {
  let handled = 0
  const gate = deferred()
  const { url } = await open(t, {
    routes: (app) =>
      app.get('/', TTL, async (_request, reply) => {
        const mine = ++handled
        if (mine === 1) await gate.promise
        reply.hijack()
        reply.raw.end(`hijacked ${mine}`)
      }),
  })
  const all = [1, 2, 3].map(() => ask(url))
  while (handled === 0) await new Promise(setImmediate)
  gate.resolve()
  const bodies = (await Promise.all(all)).map(({ body }) => body).sort()
  t.strictSame(bodies, ['hijacked 1', 'hijacked 2', 'hijacked 3'])
})

t.test(
  'a stream that fails after its first byte is not kept, nor one that is not as long as it was said to be',
  async (t) => {
    let handled = 0
    const { url } = await open(t, {
      routes: (app) => {
        app.get('/fails', TTL, async () => {
          handled++
          return Readable.from(
            (async function* () {
              yield 'first'
              throw new Error('broken')
            })(),
          )
        })
      },
    })
    for (let i = 1; i <= 2; i++) {
      await t.rejects(ask(`${url}/fails`))
      t.equal(handled, i)
    }
  },
)

t.test(
  'after a client that leaves in the middle the page is whole or absent, and those who wait get it whole',
  async (t) => {
    let handled = 0
    const gate = deferred()
    const { url, port } = await open(t, {
      routes: (app) =>
        app.get('/', TTL, async () => {
          const mine = ++handled
          return Readable.from(
            (async function* () {
              yield 'a'.repeat(1_000)
              if (mine === 1) await gate.promise
              yield 'b'.repeat(1_000)
            })(),
          )
        }),
    })
    const leaver = httpRequest({ port, host: '127.0.0.1' })
    leaver.on('error', () => {})
    const arrived = new Promise<void>((resolve) =>
      leaver.on('response', (response) => response.once('data', () => resolve()).on('error', () => {})),
    )
    leaver.end()
    await arrived
    const waiting = [1, 2, 3].map(() => ask(url))
    leaver.destroy()
    gate.resolve()
    for (const { body } of await Promise.all(waiting)) t.equal(body, 'a'.repeat(1_000) + 'b'.repeat(1_000))
    t.equal((await ask(url)).body.length, 2_000)
  },
)

t.test('a body over the bound is passed on and not kept, however it comes', async (t) => {
  let handled = 0
  const large = 'x'.repeat(2_000)
  const { url } = await open(t, {
    maxBodyBytes: 1_000,
    routes: (app) => {
      app.addHook('preHandler', async () => void handled++)
      app.get('/text', TTL, async () => large)
      app.get('/stream', TTL, async () => Readable.from([large.slice(0, 900), large.slice(900)]))
      app.get('/told', TTL, async (_request, reply) =>
        reply.header('content-length', 2_000).send(Readable.from([large])),
      )
    },
  })
  for (const path of ['/text', '/stream', '/told']) {
    handled = 0
    t.equal((await ask(url + path)).body, large)
    const second = await ask(url + path)
    t.equal(second.body, large)
    t.match(second.cache, /detail=not-storable/)
    t.equal(handled, 2, path)
  }
})

t.test('what cannot be kept is not waited for: the second round runs side by side', async (t) => {
  let running = 0
  let most = 0
  const { url } = await open(t, {
    routes: (app) =>
      app.get('/', TTL, async (_request, reply) => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 20))
        running--
        return reply.header('cache-control', 'no-store').send('one’s own')
      }),
  })
  await ask(url)
  await Promise.all(Array.from({ length: 10 }, () => ask(url)))
  t.ok(most > 1, `${most} at once`)
})

t.test('what could not be kept for a while is kept once it can be', async (t) => {
  let storable = false
  const { url } = await open(t, {
    routes: (app) =>
      app.get('/', TTL, async (_request, reply) =>
        reply.header('cache-control', storable ? 'max-age=60' : 'no-store').send('x'),
      ),
  })
  await ask(url)
  await ask(url)
  storable = true
  await ask(url)
  t.match((await ask(url)).cache, /stored/)
  t.match((await ask(url)).cache, /hit/)
})

t.test('with Redis away the handler answers, and what is stale where that is allowed', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const redis = server.client()
  redis.on('error', () => {})
  let handled = 0
  const { url } = await open(t, {
    redis,
    routes: (app) => {
      app.get('/', TTL, async () => `page ${++handled}`)
      app.get('/kept', { config: { responseCache: { ttl: '1m', staleIfError: '1h' } } }, async () => 'kept')
    },
  })
  // What a process has written itself it keeps once it has read it again.
  for (let i = 0; i < 5; i++) for (const path of ['/', '/kept']) await ask(url + path)
  t.match((await ask(url)).cache, /; hit/)
  await server.stop()
  await pollUntil('the handler', async () => (await ask(url)).body !== 'page 1')
  t.match((await ask(`${url}/kept`)).cache, /; hit/)
  t.equal((await ask(url)).status, 200)
})
