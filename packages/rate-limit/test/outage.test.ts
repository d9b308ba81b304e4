import { rateLimitChannel } from '@larder/rate-limit'
import { pollUntil, start } from '@larder/test-redis'
import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import t from 'tap'
import { ask, client, open, statuses } from './setup.js'

const DEADLINE = 150
/** What a loaded machine may add. */
const GRACE = 400

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

t.test('with Redis silent a request is answered within the deadline, limited by its process', async (t) => {
  const server = await start(t)
  const { get } = await open(t, { redis: client(t, server), max: 3, deadline: DEADLINE })
  t.strictSame(await statuses(2, () => get()), [200, 200])
  await server.pause()
  const begun = performance.now()
  const first = await get()
  t.ok(performance.now() - begun < DEADLINE + GRACE, `${performance.now() - begun} ms`)
  t.match(first, { status: 200, headers: { 'x-ratelimit-remaining': '2', ratelimit: '"default";r=2;t=60' } })
  // The breaker is open: nobody waits any more.
  const next = performance.now()
  t.strictSame(await statuses(4, () => get()), [200, 200, 429, 429])
  t.ok(performance.now() - next < DEADLINE, `${performance.now() - next} ms`)
})

t.test('back from an outage Redis counts on where it was', async (t) => {
  const server = await start(t)
  const redis = client(t, server)
  const sources: unknown[] = []
  const { get } = await open(
    t,
    { redis, max: 1_000, deadline: DEADLINE, policy: 'outage' },
    { routes: limited('/outage') },
  )
  const listener = (event: unknown) => {
    const { limiter, source } = event as { limiter: string; source?: string }
    if (limiter === 'GET /outage') sources.push(source)
  }
  rateLimitChannel.subscribe(listener)
  t.teardown(() => rateLimitChannel.unsubscribe(listener))
  const one = () => get({ url: '/outage' })
  t.equal((await one()).headers['x-ratelimit-remaining'], '999')
  await server.pause()
  t.equal((await one()).headers['x-ratelimit-remaining'], '999')
  server.resume()
  await pollUntil('Redis to decide', async () => {
    await one()
    return sources.at(-1) === 'redis'
  })
  t.ok(sources.includes('local'))
  t.ok(Number((await one()).headers['x-ratelimit-remaining']) < 998)
})

function limited(url: string): (app: FastifyInstance) => void {
  return (app) => void app.get(url, { config: { rateLimit: {} } }, async () => 'ok')
}

t.test("onRedisError: 'open' lets everybody in", async (t) => {
  const server = await start(t)
  const { get } = await open(t, { redis: client(t, server), max: 1, deadline: DEADLINE, onRedisError: 'open' })
  t.strictSame(await statuses(2, () => get()), [200, 429])
  await server.pause()
  t.strictSame(await statuses(3, () => get()), [200, 200, 200])
  const { headers } = await get()
  t.equal(headers.ratelimit, undefined)
  t.equal(headers['ratelimit-policy'], '"default";q=1;w=60')
})

t.test("onRedisError: 'closed' answers 503 with Retry-After, unless skipOnError", async (t) => {
  const server = await start(t)
  const routes = (app: FastifyInstance) => {
    app.get('/', async () => 'ok')
    app.get('/skip', { config: { rateLimit: { skipOnError: true } } }, async () => 'ok')
    app.get('/local', { config: { rateLimit: { onRedisError: 'local', max: 1 } } }, async () => 'ok')
  }
  const options = { redis: client(t, server), deadline: DEADLINE, onRedisError: 'closed' as const }
  const { get, app } = await open(t, options, { routes })
  const events: unknown[] = []
  const listener = (event: unknown) => {
    if ((event as { answer?: string }).answer === 'closed') events.push(event)
  }
  rateLimitChannel.subscribe(listener)
  t.teardown(() => rateLimitChannel.unsubscribe(listener))
  t.equal((await get()).status, 200)
  await server.pause()
  const begun = performance.now()
  t.match(await get(), {
    status: 503,
    headers: { 'retry-after': '1' },
    body: { code: 'LARDER_RATE_LIMIT_UNAVAILABLE' },
  })
  t.ok(performance.now() - begun < DEADLINE + GRACE)
  t.match(await get(), { status: 503 })
  const skipped = await ask(app, { url: '/skip' })
  t.equal(skipped.status, 200)
  t.equal(skipped.headers['retry-after'], undefined)
  t.strictSame(await statuses(2, () => ask(app, { url: '/local' })), [200, 429])
  t.match(events, [
    { type: 'error', limiter: 'global', answer: 'closed', reason: 'timeout' },
    { type: 'error', limiter: 'global', answer: 'closed', reason: 'unavailable' },
    { type: 'error', limiter: 'GET /skip', answer: 'closed' },
  ])
})

t.test('the default of onRedisError is local, of deadline 250 ms', async (t) => {
  const server = await start(t)
  const { get } = await open(t, { redis: client(t, server), max: 1 })
  await get()
  await server.pause()
  const begun = performance.now()
  t.equal((await get()).status, 200)
  const took = performance.now() - begun
  t.ok(took > 200 && took < 250 + GRACE, `${took} ms`)
  t.equal((await get()).status, 429)
})

t.test('booting does not hang on a dead Redis, and the limit moves there when it comes', async (t) => {
  const server = await start(t)
  await server.kill()
  const redis = new Redis(server.url, { retryStrategy: () => 20 })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  const begun = performance.now()
  const { get } = await open(t, { redis, max: 2, deadline: DEADLINE })
  t.ok(performance.now() - begun < 2_000)
  t.strictSame(await statuses(3, () => get()), [200, 200, 429])
  await server.start()
  await pollUntil('Redis to count', async () => {
    await get()
    return (await server.cli<string[]>('KEYS', '*')).length === 1
  })
})

t.test('a Redis that refuses to write leaves the limit to the process, and is warned of once', async (t) => {
  const server = await start(t)
  const warnings: string[] = []
  const logger = { level: 'warn', stream: { write: (line: string) => void warnings.push(line) } }
  const { get } = await open(t, { redis: client(t, server), max: 2 }, { server: { logger } })
  await get()
  await server.cli('SET', 'ballast', 'x'.repeat(100_000))
  await server.cli('CONFIG', 'SET', 'maxmemory', '1')
  t.strictSame(await statuses(3, () => get()), [200, 200, 429])
  t.equal(warnings.filter((line) => line.includes('refused to count')).length, 1)
  await server.cli('CONFIG', 'SET', 'maxmemory', '0')
  t.strictSame(await statuses(2, () => get()), [200, 429])
})

t.test('nothing was rejected without being handled', async (t) => {
  await new Promise(setImmediate)
  t.strictSame(unhandled, [])
})
