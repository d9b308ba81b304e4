import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { ask, type Site } from '../setup.js'

const from = (address: string) => ({ remoteAddress: address })

export function keys(t: Test, site: Site): void {
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

  t.test('while nobody can say whose session it is, the address counts: the route need not fail', async (t) => {
    const before = (app: FastifyInstance) => {
      app.decorateRequest('session', {
        getter() {
          throw new Error('sessions are away')
        },
      })
    }
    const { get } = await site.open(t, { max: 1 }, { before })
    t.equal((await get(from('10.0.0.1'))).status, 200)
    t.equal((await get(from('10.0.0.1'))).status, 429)
    t.equal((await get(from('10.0.0.2'))).status, 200)
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
