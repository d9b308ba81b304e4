import { rateLimitChannel } from '@larder/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { type Answered, ask, count, freed, type Site, statuses, until } from './setup.js'

/** What limits do, wherever they are kept. */
export function behaves(t: Test, site: Site): void {
  basics(t, site)
  algorithms(t, site)
  fields(t, site)
  costs(t, site)
  policies(t, site)
  keys(t, site)
  refusals(t, site)
  looks(t, site)
  limiters(t, site)
  routes(t, site)
  pluginOptions(t, site)
}

const from = (address: string) => ({ remoteAddress: address })

function basics(t: Test, site: Site): void {
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

function twoRoutes(app: FastifyInstance): void {
  app.get('/', async () => 'ok')
  app.get('/told', { config: { rateLimit: { max: 2 } } }, async () => 'ok')
}

function algorithms(t: Test, site: Site): void {
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

function grouped(app: FastifyInstance, second: object): void {
  app.get('/a', { config: { rateLimit: { groupId: 'one' } } }, async () => 'ok')
  app.get('/b', { config: { rateLimit: { groupId: 'one', ...second } } }, async () => 'ok')
}

function fields(t: Test, site: Site): void {
  t.test('RateLimit says what remains, RateLimit-Policy what is allowed', async (t) => {
    const { get } = await site.open(t, { max: 2, timeWindow: '90s', policy: 'orders' })
    const answers = [await get(), await get(), await get()]
    t.strictSame(
      answers.map(({ headers }) => headers.ratelimit),
      ['"orders";r=1;t=90', '"orders";r=0;t=90', '"orders";r=0;t=90'],
    )
    t.equal(answers[2]?.headers['ratelimit-policy'], '"orders";q=2;w=90')
    t.equal(answers[2]?.headers['retry-after'], '90')
  })

  t.test('draftHeaders: false leaves them out, of all or of a route', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.get('/', async () => 'ok')
      app.get('/with', { config: { rateLimit: { draftHeaders: true } } }, async () => 'ok')
    }
    const { get, app } = await site.open(t, { draftHeaders: false }, { routes })
    t.equal((await get()).headers.ratelimit, undefined)
    t.ok((await ask(app, { url: '/with' })).headers.ratelimit)
  })

  t.test('enableDraftSpec: the names of the older draft, beside the newer', async (t) => {
    const { get } = await site.open(t, { max: 1, enableDraftSpec: true })
    const { headers } = await get()
    t.match(headers, { 'ratelimit-limit': '1', 'ratelimit-remaining': '0', ratelimit: '"default";r=0;t=60' })
    t.equal(headers['x-ratelimit-limit'], undefined)
    t.match((await get()).headers, { 'ratelimit-reset': '60', 'retry-after': '60' })
  })

  t.test('addHeaders and addHeadersOnExceeding leave out what is false', async (t) => {
    const { get } = await site.open(t, {
      max: 1,
      addHeadersOnExceeding: { 'x-ratelimit-limit': false },
      addHeaders: { 'x-ratelimit-remaining': false, 'retry-after': false },
    })
    const [before, after] = [await get(), await get()]
    t.equal(before.headers['x-ratelimit-limit'], undefined)
    t.equal(before.headers['x-ratelimit-remaining'], '0')
    t.equal(after.headers['x-ratelimit-limit'], '1')
    t.equal(after.headers['x-ratelimit-remaining'], undefined)
    t.equal(after.headers['retry-after'], undefined)
  })
}

function costs(t: Test, site: Site): void {
  t.test('a request takes as much as it costs, or nothing when it is refused', async (t) => {
    const cost = (request: FastifyRequest) => Number(request.headers['x-cost'])
    const { get } = await site.open(t, { max: 10, cost })
    const paying = (amount: number) => get({ headers: { 'x-cost': String(amount) } })
    t.equal((await paying(7)).headers['x-ratelimit-remaining'], '3')
    t.equal((await paying(4)).status, 429)
    t.equal((await paying(0)).headers['x-ratelimit-remaining'], '3')
    t.equal((await paying(3)).headers['x-ratelimit-remaining'], '0')
    t.equal((await paying(11)).headers['retry-after'], '60')
    t.match(await paying(1.5), { status: 500, body: { code: 'LARDER_RATE_LIMIT_INVALID_VALUE' } })
    t.match(await paying(-1), { status: 500 })
  })

  t.test('requests that come together each pay their own cost, also when it takes time to know', async (t) => {
    const cost = async (request: FastifyRequest) => {
      const amount = Number(request.headers['x-cost'])
      if (amount % 2 === 0) await new Promise(setImmediate)
      return amount
    }
    const { get } = await site.open(t, { max: 1000, cost })
    const amounts = Array.from({ length: 40 }, (_, i) => i)
    await Promise.all(amounts.map((amount) => get({ headers: { 'x-cost': String(amount) } })))
    t.equal((await get({ headers: { 'x-cost': '0' } })).headers['x-ratelimit-remaining'], '220')
  })

  t.test('a route costs what it says', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.get('/', { config: { rateLimit: { groupId: 'all' } } }, async () => 'ok')
      app.get('/dear', { config: { rateLimit: { groupId: 'all', cost: 5 } } }, async () => 'ok')
    }
    const { get, app } = await site.open(t, { max: 10 }, { routes })
    await ask(app, { url: '/dear' })
    t.equal((await get()).headers['x-ratelimit-remaining'], '4')
    t.equal((await ask(app, { url: '/dear' })).status, 429)
  })
}

function policies(t: Test, site: Site): void {
  t.test('several policies must all have room; none is charged when one has not', async (t) => {
    const { get } = await site.open(t, {
      max: 5,
      timeWindow: '1h',
      policy: 'hourly',
      policies: { burst: { max: 2, timeWindow: 200, algorithm: 'gcra' } },
    })
    const [first, second, third] = [await get(), await get(), await get()]
    t.equal(first.headers['ratelimit-policy'], '"hourly";q=5;w=3600, "burst";q=2;w=1')
    t.equal(first.headers.ratelimit, '"hourly";r=4;t=3600, "burst";r=1;t=1')
    // The least of what remains.
    t.equal(first.headers['x-ratelimit-remaining'], '1')
    t.match(second.headers, { 'x-ratelimit-remaining': '0', 'x-ratelimit-limit': '5' })
    t.equal(third.status, 429)
    t.equal(third.headers.ratelimit, '"burst";r=0;t=1')
    t.equal(third.headers['retry-after'], '1')
    const { headers } = await until(200, () => get())
    t.match(headers.ratelimit, /^"hourly";r=2;/)
  })

  t.test('a route has policies of its own', async (t) => {
    const rateLimit = { max: 9, policies: { minute: { max: 1, timeWindow: '1m' } } }
    const routes = (app: FastifyInstance) => {
      app.get('/', { config: { rateLimit } }, async () => 'ok')
      app.get('/none', { config: { rateLimit: { policies: {} } } }, async () => 'ok')
    }
    const { get, app } = await site.open(t, { policies: { day: { max: 7, timeWindow: '1d' } } }, { routes })
    t.equal((await get()).headers['ratelimit-policy'], '"default";q=9;w=60, "minute";q=1;w=60')
    t.equal((await get()).status, 429)
    t.equal((await ask(app, { url: '/none' })).headers['ratelimit-policy'], '"default";q=1000;w=60')
  })
}

function keys(t: Test, site: Site): void {
  t.test('each address has a limit of its own, an IPv6 network of 64 bits one', async (t) => {
    const { get } = await site.open(t, { max: 1 })
    t.equal((await get(from('10.0.0.1'))).status, 200)
    t.equal((await get(from('10.0.0.2'))).status, 200)
    t.equal((await get(from('10.0.0.1'))).status, 429)
    t.equal((await get(from('::ffff:10.0.0.2'))).status, 429)
    t.equal((await get(from('2001:db8:1:2::1'))).status, 200)
    t.equal((await get(from('2001:db8:1:2:ffff::7'))).status, 429)
    t.equal((await get(from('2001:db8:1:3::1'))).status, 200)
  })

  t.test('ipv6Subnet: how large a network counts as one, for all or for a route', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.get('/', async () => 'ok')
      app.get('/one', { config: { rateLimit: { ipv6Subnet: 128 } } }, async () => 'ok')
    }
    const { get, app } = await site.open(t, { max: 1, ipv6Subnet: 48 }, { routes })
    t.equal((await get(from('2001:db8:1:2::1'))).status, 200)
    t.equal((await get(from('2001:db8:1:3::1'))).status, 429)
    t.equal((await ask(app, { url: '/one', ...from('2001:db8:1:2::1') })).status, 200)
    t.equal((await ask(app, { url: '/one', ...from('2001:db8:1:2::2') })).status, 200)
    t.equal((await ask(app, { url: '/one', ...from('2001:db8:1:2:0::2') })).status, 429)
  })

  t.test('behind a proxy that is trusted the forwarded address counts, else the connection', async (t) => {
    const forwarded = (address: string) => ({ headers: { 'x-forwarded-for': address } })
    const trusting = await site.open(t, { max: 1 }, { server: { trustProxy: true } })
    t.equal((await trusting.get(forwarded('203.0.113.1'))).status, 200)
    t.equal((await trusting.get(forwarded('203.0.113.2'))).status, 200)
    t.equal((await trusting.get(forwarded('203.0.113.1'))).status, 429)
    const direct = await site.open(t, { max: 1 })
    t.equal((await direct.get(forwarded('203.0.113.1'))).status, 200)
    t.equal((await direct.get(forwarded('203.0.113.2'))).status, 429)
  })

  t.test("the key is the session's user where there is one, whatever the user's address", async (t) => {
    const before = (app: FastifyInstance) => {
      app.decorateRequest('session', null)
      app.addHook('onRequest', async (request) => {
        const userId = request.headers['x-user']
        Object.assign(request, { session: userId === undefined ? {} : { userId } })
      })
    }
    const { get } = await site.open(t, { max: 1 }, { before })
    const as = (user: string, address: string) => get({ headers: { 'x-user': user }, remoteAddress: address })
    t.equal((await as('ann', '10.0.0.1')).status, 200)
    t.equal((await as('ann', '10.0.0.2')).status, 429)
    t.equal((await as('bob', '10.0.0.1')).status, 200)
    t.equal((await get(from('10.0.0.1'))).status, 200)
    t.equal((await get(from('10.0.0.1'))).status, 429)
    // Called like an address, but not that address.
    t.equal((await as('10.0.0.1', '10.0.0.9')).status, 200)
  })

  t.test('key and keyGenerator say whose limit it is, for all or for a route', async (t) => {
    const key = (request: FastifyRequest) => String(request.headers['x-key'])
    const routes = (app: FastifyInstance) => {
      app.get('/', async () => 'ok')
      app.get('/number', { config: { rateLimit: { keyGenerator: async () => 5 } } }, async () => 'ok')
    }
    const opened = await site.open(t, { max: 1, key }, { routes })
    const as = (name: string, url = '/') => opened.get({ url, headers: { 'x-key': name } })
    const long = 'x'.repeat(5_000)
    t.equal((await as('a')).status, 200)
    t.equal((await as('a')).status, 429)
    t.equal((await as(`${long}1`)).status, 200)
    t.equal((await as(`${long}2`)).status, 200)
    t.equal((await as(`${long}1`)).status, 429)
    t.equal((await as('a', '/number')).status, 200)
    t.equal((await as('b', '/number')).status, 429)
  })
}

function refusals(t: Test, site: Site): void {
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

function looks(t: Test, site: Site): void {
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

function limiters(t: Test, site: Site): void {
  t.test('limiters never share a count, unless they have one name', async (t) => {
    const routes = (app: FastifyInstance) => {
      const made = [
        app.createRateLimit({ max: 2 }),
        app.createRateLimit({ max: 2 }),
        app.createRateLimit({ max: 100 }),
        app.createRateLimit({ max: 2, name: 'shared' }),
        app.createRateLimit({ max: 2, name: 'shared' }),
      ]
      for (const [i, limiter] of made.entries()) app.get(`/${i}`, async (request) => limiter(request))
    }
    const { app } = await site.open(t, { global: false }, { routes })
    const remaining = async (i: number) => (await ask(app, { url: `/${i}` })).body.remaining
    t.strictSame([await remaining(2), await remaining(2), await remaining(2)], [99, 98, 97])
    t.strictSame([await remaining(0), await remaining(0), await remaining(1)], [1, 0, 1])
    t.strictSame([await remaining(3), await remaining(4)], [1, 0])
  })

  t.test("without options, a limiter counts with the application's routes", async (t) => {
    const routes = (app: FastifyInstance) => {
      const limiter = app.createRateLimit()
      app.get('/', async (request) => limiter(request))
    }
    const { get } = await site.open(t, { max: 5 }, { routes })
    t.match((await get()).body, { remaining: 3 })
    t.match(await get(), { headers: { 'x-ratelimit-remaining': '2', ratelimit: /r=2;/ }, body: { remaining: 1 } })
  })

  t.test('a limiter made while serving shares its count with others of the same options, and is told of', async (t) => {
    const warnings: string[] = []
    const logger = { level: 'warn', stream: { write: (line: string) => void warnings.push(line) } }
    const routes = (app: FastifyInstance) => {
      app.get('/', async (request) => app.createRateLimit({ max: 2 })(request))
    }
    const { get } = await site.open(t, { global: false }, { routes, server: { logger } })
    t.match((await get()).body, { remaining: 1 })
    t.match((await get()).body, { remaining: 0 })
    t.match((await get()).body, { isExceeded: true })
    t.equal(warnings.filter((line) => line.includes('without a `name`')).length, 3)
  })

  t.test('the not found handler is limited by fastify.rateLimit, with options or without', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.setNotFoundHandler({ preHandler: app.rateLimit({ max: 1, timeWindow: 60_000 }) }, async (_, reply) => {
        return reply.code(404).send({ nothing: 'here' })
      })
    }
    const { app } = await site.open(t, { max: 2 }, { routes })
    const statusesOf404 = await statuses(2, () => ask(app, { url: '/guess' }))
    t.strictSame(statusesOf404, [404, 429])
    const plain = await site.open(
      t,
      { max: 2 },
      {
        routes: (app) => app.setNotFoundHandler({ preHandler: app.rateLimit() }, (_, reply) => reply.code(404).send()),
      },
    )
    t.strictSame(await statuses(3, () => ask(plain.app, { url: '/guess' })), [404, 404, 429])
    t.match((await ask(plain.app, { url: '/guess' })).headers, { ratelimit: '"default";r=0;t=60' })
  })

  t.test('a limiter tells groups apart by more than their letters', async (t) => {
    const routes = (app: FastifyInstance) => {
      const limiter = app.createRateLimit({ max: 1, key: (request) => String(request.headers['x-key']) })
      for (const groupId of ['1', 'b1'])
        app.get(`/${groupId}`, { config: { rateLimit: { groupId } } }, async (request) => limiter(request))
    }
    const { app } = await site.open(t, {}, { routes })
    t.match((await ask(app, { url: '/b1', headers: { 'x-key': 'a' } })).body, { isExceeded: false })
    t.match((await ask(app, { url: '/1', headers: { 'x-key': 'ab' } })).body, { isExceeded: false })
    t.match((await ask(app, { url: '/1', headers: { 'x-key': 'ab' } })).body, { isExceeded: true })
  })
}

function routes(t: Test, site: Site): void {
  t.test('a route with options has a count of its own, the others have one together', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.get('/a', async () => 'ok')
      app.get('/b', async () => 'ok')
      app.get('/own', { config: { rateLimit: { max: 1, timeWindow: '10s' } } }, async () => 'ok')
      app.get('/free', { config: { rateLimit: false } }, async () => 'ok')
    }
    const { app } = await site.open(t, { max: 2 }, { routes })
    const get = (url: string) => ask(app, { url })
    t.equal((await get('/a')).headers['x-ratelimit-remaining'], '1')
    t.equal((await get('/own')).headers['x-ratelimit-remaining'], '0')
    t.match(await get('/own'), { status: 429, headers: { 'retry-after': '10', 'x-ratelimit-limit': '1' } })
    t.equal((await get('/b')).headers['x-ratelimit-remaining'], '0')
    t.equal((await get('/a')).status, 429)
    t.equal((await get('/free')).headers['x-ratelimit-limit'], undefined)
  })

  t.test('HEAD is no second helping of GET', async (t) => {
    const own = (app: FastifyInstance) => app.get('/', { config: { rateLimit: { max: 2 } } }, async () => 'ok')
    const { get } = await site.open(t, {}, { routes: own })
    t.equal((await get()).headers['x-ratelimit-remaining'], '1')
    t.equal((await get({ method: 'HEAD' })).headers['x-ratelimit-remaining'], '0')
    t.equal((await get()).status, 429)
  })

  t.test('a group of routes has one count', async (t) => {
    const otp = { max: 2, groupId: 'OTP' }
    const routes = (app: FastifyInstance) => {
      app.get('/send', { config: { rateLimit: otp } }, async () => 'ok')
      app.get('/resend', { config: { rateLimit: otp } }, async () => 'ok')
      app.get('/other', { config: { rateLimit: { max: 2, groupId: 'other' } } }, async () => 'ok')
    }
    const { app } = await site.open(t, {}, { routes })
    const get = (url: string) => ask(app, { url })
    t.equal((await get('/send')).headers['x-ratelimit-remaining'], '1')
    t.equal((await get('/resend')).headers['x-ratelimit-remaining'], '0')
    t.equal((await get('/send')).status, 429)
    t.equal((await get('/other')).status, 200)
  })

  t.test('registrations under different prefixes count apart', async (t) => {
    const opening = {
      routes: async (app: FastifyInstance) => {
        app.get('/', async () => 'ok')
        for (const prefix of ['/one', '/two']) {
          await app.register(async (child) => void child.get('/', async () => 'ok'), { prefix })
        }
      },
    }
    const { app } = await site.open(t, { max: 2 }, opening)
    t.strictSame(await statuses(3, () => ask(app, { url: '/one' })), [200, 200, 429])
    t.equal((await ask(app, { url: '/two' })).status, 429)
  })

  t.test('the options of a route can be read in its handler', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.get(
        '/',
        { config: { rateLimit: { max: 4, cost: 2 } } },
        async (request) => request.routeOptions.config.rateLimit,
      )
    }
    const { get } = await site.open(t, {}, { routes })
    t.match((await get()).body, { max: 4, cost: 2 })
  })
}

function pluginOptions(t: Test, site: Site): void {
  t.test('global: false limits only routes that say so', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.get('/', async () => 'ok')
      app.get('/limited', { config: { rateLimit: {} } }, async () => 'ok')
    }
    const { get, app } = await site.open(t, { global: false, max: 1 }, { routes })
    t.strictSame(await statuses(3, () => get()), [200, 200, 200])
    t.strictSame(await statuses(2, () => ask(app, { url: '/limited' })), [200, 429])
  })

  t.test('max and timeWindow may be functions of the request and the key', async (t) => {
    const { get } = await site.open(t, {
      key: (request) => String(request.headers['x-plan']),
      max: async (_, key) => (key === 'pro' ? 3 : 2),
      timeWindow: async (request, key) => (key === 'pro' && request.url === '/' ? 90_000 : 30_000),
    })
    const as = (plan: string) => get({ headers: { 'x-plan': plan } })
    t.match((await as('pro')).headers, { 'x-ratelimit-limit': '3', 'x-ratelimit-reset': '90' })
    t.equal((await as('pro')).headers['ratelimit-policy'], '"default";q=3;w=90')
    t.match((await as('free')).headers, { 'x-ratelimit-limit': '2', ratelimit: '"default";r=1;t=30' })
    t.equal((await as('free')).status, 200)
    t.equal((await as('free')).status, 429)
    t.equal((await as('pro')).status, 200)
  })

  t.test('a max that is no number is an error, not a free pass', async (t) => {
    const { get } = await site.open(t, { max: () => undefined as never })
    t.match(await get(), { status: 500, body: { code: 'LARDER_RATE_LIMIT_INVALID_VALUE' } })
    const window = await site.open(t, { timeWindow: () => Number.NaN })
    t.match(await window.get(), { status: 500, body: { code: 'LARDER_RATE_LIMIT_INVALID_VALUE' } })
  })

  t.test('timeWindow takes milliseconds and strings', async (t) => {
    for (const [timeWindow, seconds] of [
      ['2 hours', '7200'],
      ['5m', '300'],
      [1_500, '2'],
    ] as const) {
      const { get } = await site.open(t, { timeWindow })
      t.equal((await get()).headers['x-ratelimit-reset'], seconds)
    }
  })

  t.test('allowList: who is on it is not limited, by array or function, of all or of a route', async (t) => {
    const routes = (app: FastifyInstance) => {
      app.get('/', async () => 'ok')
      app.get(
        '/internal',
        { config: { rateLimit: { allowList: async (request) => 'x-in' in request.headers } } },
        async () => 'ok',
      )
    }
    const { get, app } = await site.open(t, { max: 1, allowList: ['10.0.0.1'] }, { routes })
    t.strictSame(await statuses(3, () => get(from('10.0.0.1'))), [200, 200, 200])
    t.equal((await get(from('10.0.0.1'))).headers['x-ratelimit-limit'], undefined)
    t.strictSame(await statuses(2, () => get(from('10.0.0.2'))), [200, 429])
    const inside = () => ask(app, { url: '/internal', headers: { 'x-in': '1' } })
    t.strictSame(await statuses(2, inside), [200, 200])
    t.strictSame(await statuses(2, () => ask(app, { url: '/internal' })), [200, 429])
  })

  t.test('hook: the limit is asked at the hook that it names', async (t) => {
    const order: string[] = []
    const routes = (app: FastifyInstance) => {
      app.addHook('preValidation', async () => void order.push('preValidation'))
      app.get('/', async () => 'ok')
    }
    const key = () => {
      order.push('limit')
      return 'one'
    }
    const { get } = await site.open(t, { hook: 'preHandler', key, max: 1 }, { routes })
    await get()
    t.strictSame(order, ['preValidation', 'limit'])
    const { headers, status } = await get()
    t.equal(status, 429)
    t.equal(headers.ratelimit, '"default";r=0;t=60')
  })
}
