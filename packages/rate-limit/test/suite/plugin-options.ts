import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { ask, type Site, statuses } from '../setup.js'

const from = (address: string) => ({ remoteAddress: address })

export function pluginOptions(t: Test, site: Site): void {
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
