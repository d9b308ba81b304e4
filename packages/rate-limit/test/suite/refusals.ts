import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { ask, count, freed, type Site, statuses, until } from '../setup.js'

export function refusals(t: Test, site: Site): void {
  t.test('ban: after so many refusals 403, and onBanReach is called', async (t) => {
    const banned: string[] = []
    const { get } = await site.open(t, { max: 1, ban: 2, onBanReach: (_, key) => banned.push(key) })
    t.strictSame(await statuses(5, () => get()), [200, 429, 429, 403, 403])
    t.strictSame(banned, ['127.0.0.1', '127.0.0.1'])
    t.match((await get()).body, { code: 'LARDER_RATE_LIMIT_BANNED', error: 'Forbidden', statusCode: 403 })
  })

  t.test('ban: 0 refuses with 403 at once', async (t) => {
    const { get } = await site.open(t, { max: 1, ban: 0 })
    t.strictSame(await statuses(2, () => get()), [200, 403])
  })

  t.test('a ban ends a window after the first refusal', async (t) => {
    const { get } = await site.open(t, { max: 1, ban: 1, timeWindow: 200 })
    t.strictSame(await statuses(3, () => get()), [200, 429, 403])
    t.match(await until(200, () => get()), { status: 200 })
  })

  for (const algorithm of ['sliding-window', 'gcra', 'fixed-window'] as const) {
    t.test(`continueExceeding, ${algorithm}: who comes again while refused waits a whole window more`, async (t) => {
      const store = site.store(t, { algorithm }).child({ continueExceeding: true, name: 'one' })
      const options = { max: 2, window: 60_000 }
      for (let i = 0; i < 2; i++) await count(store, 'a', options)
      for (let i = 3; i <= 5; i++) t.strictSame(await count(store, 'a', options), { current: i, ttl: 60_000 })
      const short = { max: 1, window: 300 }
      await count(store, 'b', short)
      const begun = performance.now()
      await count(store, 'b', short)
      await freed(store, 'b', short.window)
      t.ok(performance.now() - begun >= 299)
      t.equal((await count(store, 'b', short)).current, 1)
    })

    t.test(`exponentialBackoff, ${algorithm}: each refusal doubles the wait`, async (t) => {
      const store = site.store(t, { algorithm }).child({ exponentialBackoff: true, name: 'one' })
      const options = { max: 1, window: 1_000 }
      await count(store, 'a', options)
      const waits: number[] = []
      for (let i = 0; i < 5; i++) waits.push((await count(store, 'a', options)).ttl)
      t.strictSame(waits, [1_000, 2_000, 4_000, 8_000, 16_000])
      for (let i = 0; i < 60; i++) await count(store, 'a', options)
      t.equal((await count(store, 'a', options)).ttl, 2 ** 52)
    })
  }

  t.test('continueExceeding comes before exponentialBackoff', async (t) => {
    const store = site.store(t).child({ continueExceeding: true, exponentialBackoff: true, name: 'one' })
    for (let i = 0; i < 3; i++) await count(store, 'a', { max: 1 })
    t.equal((await count(store, 'a', { max: 1 })).ttl, 60_000)
  })

  t.test('continueExceeding and exponentialBackoff as options of the plugin', async (t) => {
    const renewed = await site.open(t, { max: 1, timeWindow: '10s', continueExceeding: true })
    await renewed.get()
    t.equal((await renewed.get()).headers['retry-after'], '10')
    const doubled = await site.open(t, { max: 1, timeWindow: '10s', exponentialBackoff: true })
    const seen: (string | undefined)[] = []
    for (let i = 0; i < 4; i++) seen.push((await doubled.get()).headers['retry-after'])
    t.strictSame(seen, [undefined, '10', '20', '40'])
    // RateLimit must not name a time later than Retry-After.
    t.equal((await doubled.get()).headers.ratelimit, '"default";r=0;t=80')
  })

  t.test('what a refused request is told can be changed', async (t) => {
    const contexts: object[] = []
    const { get } = await site.open(t, {
      max: 1,
      errorResponseBuilder: (_, context) => {
        contexts.push(context)
        return { statusCode: 429, error: 'Slow down', max: context.max }
      },
    })
    await get()
    t.match(await get(), { status: 429, body: { error: 'Slow down', max: 1 } })
    t.match(contexts, [{ statusCode: 429, ban: false, max: 1, after: '1 minute' }])
  })

  t.test('onExceeding is called below the limit, onExceeded above', async (t) => {
    const calls: string[] = []
    const { get } = await site.open(t, {
      max: 2,
      onExceeding: (_, key) => calls.push(`exceeding ${key}`),
      onExceeded: (_, key) => calls.push(`exceeded ${key}`),
    })
    await statuses(3, () => get())
    t.strictSame(calls, ['exceeding 127.0.0.1', 'exceeding 127.0.0.1', 'exceeded 127.0.0.1'])
  })
}

export function looks(t: Test, site: Site): void {
  t.test('a look takes nothing, and says how the limit stands', async (t) => {
    const routes = (app: FastifyInstance) => {
      const limiter = app.createRateLimit({ max: 2, ban: 1 })
      app.get('/look', async (request) => limiter(request, { increment: false }))
      app.get('/take', async (request) => limiter(request))
    }
    const { app } = await site.open(t, { global: false }, { routes })
    const look = async () => (await ask(app, { url: '/look' })).body
    const take = async () => (await ask(app, { url: '/take' })).body
    t.strictSame(await look(), {
      isAllowed: false,
      key: '127.0.0.1',
      max: 2,
      timeWindow: 60_000,
      remaining: 2,
      ttl: 0,
      ttlInSeconds: 0,
      isExceeded: false,
      isBanned: false,
    })
    t.match(await take(), { remaining: 1, ttlInSeconds: 60 })
    t.match(await look(), { remaining: 1, ttlInSeconds: 60 })
    await take()
    t.match(await look(), { remaining: 0, isExceeded: false })
    t.match(await take(), { remaining: 0, isExceeded: true, isBanned: false })
    t.match(await look(), { isExceeded: true, isBanned: false, ttlInSeconds: 60 })
    await take()
    for (let i = 0; i < 3; i++) t.match(await look(), { isExceeded: true, isBanned: true })
  })
}
