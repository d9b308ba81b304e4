import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { ask, type Site, statuses } from '../setup.js'

export function limiters(t: Test, site: Site): void {
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
