import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { ask, type Site, until } from '../setup.js'

export function fields(t: Test, site: Site): void {
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

export function costs(t: Test, site: Site): void {
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

export function policies(t: Test, site: Site): void {
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
