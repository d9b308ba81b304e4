import { rateLimitChannel } from '@larder/rate-limit'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { type Answered, ask, count, freed, type Site, statuses, until } from '../setup.js'

export function basics(t: Test, site: Site): void {
  t.test('so many requests as max are let in, the next is refused and told when to come back', async (t) => {
    const { get } = await site.open(t, { max: 3, timeWindow: '1 minute' })
    const answers = [await get(), await get(), await get(), await get()]
    t.strictSame(
      answers.map(({ status, headers }) => [status, headers['x-ratelimit-remaining']]),
      [
        [200, '2'],
        [200, '1'],
        [200, '0'],
        [429, '0'],
      ],
    )
    const [first, , , last] = answers as [Answered, Answered, Answered, Answered]
    t.equal(first.headers['x-ratelimit-limit'], '3')
    t.equal(first.headers['x-ratelimit-reset'], '60')
    t.equal(first.headers['retry-after'], undefined)
    t.equal(last.headers['retry-after'], '60')
    t.strictSame(last.body, {
      statusCode: 429,
      code: 'LARDER_RATE_LIMIT_EXCEEDED',
      error: 'Too Many Requests',
      message: 'Rate limit exceeded, retry in 1 minute',
    })
  })

  t.test('the defaults of the plugin: 1000 requests a minute, by a sliding window', async (t) => {
    const { get } = await site.open(t)
    const { headers } = await get()
    t.equal(headers['x-ratelimit-limit'], '1000')
    t.equal(headers['ratelimit-policy'], '"default";q=1000;w=60')
    t.equal(headers.ratelimit, '"default";r=999;t=60')
  })

  t.test('Retry-After is never 0', async (t) => {
    const { get } = await site.open(t, { max: 1, timeWindow: 50 })
    const seen: (string | undefined)[] = []
    for (let i = 0; i < 30; i++) {
      const { status, headers } = await get()
      if (status === 429) seen.push(headers['retry-after'])
    }
    t.ok(seen.length > 0)
    t.strictSame(new Set(seen), new Set(['1']))
  })

  t.test('a limit of 0 lets nobody in', async (t) => {
    const { get } = await site.open(t, { max: 0 })
    const { status, headers } = await get()
    t.equal(status, 429)
    t.equal(headers['retry-after'], '60')
  })

  t.test('of parallel requests so many as max are let in', async (t) => {
    const { get } = await site.open(t, { max: 10 })
    const answers = await Promise.all(Array.from({ length: 50 }, () => get()))
    t.equal(answers.filter(({ status }) => status === 200).length, 10)
    t.equal(answers.filter(({ status }) => status === 429).length, 40)
  })

  t.test('the channel tells of each decision, never a key', async (t) => {
    const { get, app } = await site.open(t, { max: 1, ban: 1 }, { routes: twoRoutes })
    const events: Record<string, unknown>[] = []
    const listener = (event: unknown) => {
      const one = event as Record<string, unknown>
      if (String(one.limiter).includes('/told')) events.push(one)
    }
    rateLimitChannel.subscribe(listener)
    t.teardown(() => rateLimitChannel.unsubscribe(listener))
    await get()
    for (let i = 0; i < 4; i++) await ask(app, { url: '/told' })
    const source = site.name === 'in memory' ? 'memory' : 'redis'
    t.ok(events.every((event) => event.app === app.server))
    t.strictSame(
      events.map(({ app: _, ...event }) => event),
      ['allowed', 'allowed', 'limited', 'banned'].map((type, i) => ({
        type,
        limiter: 'GET /told',
        source,
        cost: 1,
        remaining: i === 0 ? 1 : 0,
      })),
    )
  })
}

export function algorithms(t: Test, site: Site): void {
  t.test('sliding-window: under a storm no window has more than max', async (t) => {
    const { get } = await site.open(t, { max: 10, timeWindow: 200 })
    const entered: { begun: number; ended: number }[] = []
    while (entered.length < 40) {
      const begun = performance.now()
      const { status } = await get()
      if (status === 200) entered.push({ begun, ended: performance.now() })
    }
    for (let i = 10; i < entered.length; i++) {
      const [first, eleventh] = [entered[i - 10], entered[i]] as [(typeof entered)[0], (typeof entered)[0]]
      // What decided lies between a request's beginning and its end; Redis reads whole milliseconds.
      t.ok(eleventh.ended - first.begun >= 199, `eleven within ${eleventh.ended - first.begun} ms`)
    }
  })

  t.test('gcra: after a burst one after the other, at an even pace', async (t) => {
    const store = site.store(t, { algorithm: 'gcra' })
    const options = { max: 4, window: 60_000 }
    for (let i = 1; i <= 4; i++) t.equal((await count(store, 'a', options)).current, i)
    const { current, ttl } = await count(store, 'a', options)
    t.equal(current, 5)
    t.ok(ttl > 14_000 && ttl <= 15_000, `${ttl} ms`)
  })

  t.test('fixed-window: all are refused to the end of the window, then it begins anew', async (t) => {
    const { get } = await site.open(t, { max: 2, timeWindow: 300, algorithm: 'fixed-window' })
    const begun = performance.now()
    t.strictSame(await statuses(4, () => get()), [200, 200, 429, 429])
    await until(200, () => get())
    t.ok(performance.now() - begun >= 299)
    t.strictSame(await statuses(2, () => get()), [200, 429])
  })

  t.test('sliding-window: a place is free again a window after it was taken', async (t) => {
    const store = site.store(t)
    const options = { max: 2, window: 300 }
    const begun = performance.now()
    await count(store, 'a', options)
    await freed(store, 'a', options.window)
    t.ok(performance.now() - begun >= 299)
    t.equal((await count(store, 'a', options)).current, 1)
  })

  t.test('each way to count has counts of its own', async (t) => {
    const one = { max: 1, algorithm: 'gcra' as const }
    const { app } = await site.open(t, { algorithm: 'fixed-window', max: 1 }, { routes: (app) => grouped(app, one) })
    t.equal((await ask(app, { url: '/a' })).status, 200)
    t.equal((await ask(app, { url: '/a' })).status, 429)
    t.equal((await ask(app, { url: '/b' })).status, 200)
  })
}

function twoRoutes(app: FastifyInstance): void {
  app.get('/', async () => 'ok')
  app.get('/told', { config: { rateLimit: { max: 2 } } }, async () => 'ok')
}

function grouped(app: FastifyInstance, second: object): void {
  app.get('/a', { config: { rateLimit: { groupId: 'one' } } }, async () => 'ok')
  app.get('/b', { config: { rateLimit: { groupId: 'one', ...second } } }, async () => 'ok')
}
