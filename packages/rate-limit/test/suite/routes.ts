import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { ask, type Site, statuses } from '../setup.js'

export function routes(t: Test, site: Site): void {
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
