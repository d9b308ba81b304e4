import { createRequire } from 'node:module'
import rateLimit, { createStore, type RateLimitOptions } from '@larder/rate-limit'
import fastify from 'fastify'
import t from 'tap'
import { count, open, statuses } from './setup.js'

/** What registering with these options says. */
async function register(options: object): Promise<string> {
  const app = fastify()
  try {
    await app.register(rateLimit, { redis: false, ...options } as RateLimitOptions)
    return 'registered'
  } catch (error) {
    const { code, message } = error as Error & { code: string }
    return `${code}: ${message}`
  } finally {
    await app.close()
  }
}

t.test('a bad option is named, with the rule, the value and its type', async (t) => {
  const cases: [object, RegExp][] = [
    [{ max: -1 }, /Expected `max` to be a number of 0 or more, or a function, got `-1` \(number\)/],
    [{ max: '5' }, /`max`/],
    [{ timeWindow: 'soon' }, /Expected `timeWindow` to be a duration of 0 or more, or a function, got `'soon'`/],
    [{ timeWindow: -5 }, /`timeWindow`/],
    [{ algorithm: 'leaky' }, /Expected `algorithm` to be one of 'sliding-window', 'gcra', 'fixed-window'/],
    [{ onRedisError: 'ignore' }, /Expected `onRedisError` to be one of 'local', 'open', 'closed'/],
    [{ cost: -1 }, /Expected `cost` to be a whole number of 0 or more, or a function/],
    [{ cost: 0.5 }, /`cost`/],
    [{ deadline: 0 }, /Expected `deadline` to be a positive duration/],
    [{ policy: 'say "no"' }, /Expected `policy` to be printable ASCII without quotes/],
    [{ policies: { ü: { max: 1, timeWindow: 1 } } }, /`policies\.ü`/],
    [{ policies: { a: { timeWindow: '1s' } } }, /Expected `policies\.a\.max` to be a whole number/],
    [{ policies: { a: { max: 1 } } }, /Expected `policies\.a\.timeWindow` to be a positive duration/],
    [{ policies: { a: { max: 1, timeWindow: '1s', more: 1 } } }, /Unknown option `policies\.a\.more`/],
    [
      { policies: { default: { max: 1, timeWindow: '1s' } } },
      /Expected `policies` to be named differently from `policy`/,
    ],
    [{ policies: [] }, /`policies`/],
    [{ key: 'ip' }, /Expected `key` to be a function/],
    [{ ban: 1.5 }, /`ban`/],
    [{ hook: 'onSend' }, /Expected `hook` to be one of 'onRequest'/],
    [{ allowList: '127.0.0.1' }, /Expected `allowList` to be an array of strings, or a function/],
    [{ cache: 0 }, /`cache`/],
    [{ ipv6Subnet: 129 }, /Expected `ipv6Subnet` to be a whole number from 0 to 128/],
    [{ skipOnError: 'yes' }, /Expected `skipOnError` to be a boolean/],
    [{ namespace: 'a:b' }, /`namespace`/],
    [{ redis: 5 }, /Expected `redis` to be an ioredis client/],
    [{ store: class {} }, /Unknown option `store`/],
    [{ maximum: 5 }, /Unknown option `maximum`/],
  ]
  for (const [options, message] of cases) {
    const said = await register(options)
    t.match(said, /^LARDER_INVALID_OPTION/, JSON.stringify(options))
    t.match(said, message)
  }
  t.equal(await register({}), 'registered')
})

t.test('a bad option of a route or limiter is named, too', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(rateLimit, { redis: false })
  const route = (options: object) => () => app.get('/', { config: { rateLimit: options } }, async () => 'ok')
  t.throws(route({ max: 'many' }), { code: 'LARDER_INVALID_OPTION', message: /`config\.rateLimit\.max`/ })
  t.throws(route({ maxx: 1 }), { message: /Unknown option `config\.rateLimit\.maxx`/ })
  t.throws(() => app.createRateLimit({ cost: -1 }), { message: /`createRateLimit\.cost`/ })
  t.throws(() => app.rateLimit({ timeWindow: 'never' }), { message: /`rateLimit\.timeWindow`/ })
})

t.test('bad options of a store', async (t) => {
  for (const redis of [undefined, null, true, 'main', {}])
    t.throws(() => createStore(redis as never), {
      code: 'LARDER_INVALID_OPTION',
      message: /`redis` to be an ioredis client/,
    })
  t.throws(() => createStore(false, { algorithm: 'none' as never }), { code: 'LARDER_INVALID_OPTION' })
  t.throws(() => createStore(false, { cost: (() => 1) as never }), { message: /Expected `cost` to be a whole number/ })
  t.throws(() => createStore(false, { window: 5 } as never), { message: /Unknown option `window`/ })
  const Store = createStore(false)
  t.throws(() => new Store({}).child({ cost: () => 5, routeInfo: { url: '/', method: 'GET' } }), {
    message: /Expected `rateLimit\.cost` to be a whole number/,
  })
})

t.test('in memory so many keys as cache are remembered; the one asked for the longest ago is forgotten', async (t) => {
  const { get } = await open(t, { redis: false, max: 1, cache: 2, key: (request) => String(request.headers['x-key']) })
  const as = (key: string) => async () => get({ headers: { 'x-key': key } })
  t.strictSame(await statuses(1, await as('a')), [200])
  t.strictSame(await statuses(1, await as('b')), [200])
  t.strictSame(await statuses(1, await as('a')), [429])
  t.strictSame(await statuses(1, await as('c')), [200])
  t.strictSame(await statuses(1, await as('a')), [429])
  t.strictSame(await statuses(1, await as('b')), [200])
})

t.test('10 a minute stays 10 at the edge', async (t) => {
  for (const [algorithm, expected] of [
    ['sliding-window', 10],
    ['fixed-window', 19],
  ] as const) {
    let now = 1_000_000
    const Store = createStore(false, { algorithm, clock: () => now })
    const store = new Store({})
    const options = { max: 10, window: 60_000 }
    const enter = async (times: number) => {
      let entered = 0
      for (let i = 0; i < times; i++) if ((await count(store, 'a', options)).current <= 10) entered++
      return entered
    }
    // A window begins with its first request; nine more at its end, and ten right after.
    await enter(1)
    now += 59_990
    const before = await enter(12)
    now += 20
    const after = await enter(12)
    t.equal(before + after, expected, algorithm)
    now += 60_000
    t.equal(await enter(12), 10)
  }
})

t.test('without Redis it says once that nothing is shared', async (t) => {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } })
  t.teardown(() => app.close())
  await app.register(rateLimit)
  t.equal(lines.filter((line) => line.includes('@larder/rate-limit has no Redis')).length, 1)
})

t.test('registered in an encapsulated scope, it limits that scope, each its own way', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  for (const [prefix, max] of [
    ['/one', 1],
    ['/two', 2],
  ] as const) {
    await app.register(
      async (child) => {
        await child.register(rateLimit, { redis: false, max })
        child.get('/', async () => 'ok')
      },
      { prefix },
    )
  }
  app.get('/', async () => 'ok')
  const get = async (url: string) => (await app.inject(url)).statusCode
  t.strictSame([await get('/one'), await get('/one')], [200, 429])
  t.strictSame([await get('/two'), await get('/two'), await get('/two')], [200, 200, 429])
  t.strictSame([await get('/'), await get('/'), await get('/')], [200, 200, 200])
})

t.test('two registrations, one inside the other, both limit and both write their fields', async (t) => {
  const { app } = await open(t, { redis: false, max: 5, policy: 'outer' })
  await app.register(
    async (child) => {
      await child.register(rateLimit, { redis: false, max: 2, policy: 'inner' })
      child.get('/', async () => 'ok')
      child.get('/own', { config: { rateLimit: { max: 1 } } }, async () => 'ok')
    },
    { prefix: '/child' },
  )
  const first = await app.inject('/child')
  t.equal(first.headers.ratelimit, '"outer";r=4;t=60, "inner";r=1;t=60')
  t.equal(first.headers['ratelimit-policy'], '"outer";q=5;w=60, "inner";q=2;w=60')
  t.equal((await app.inject('/child')).statusCode, 200)
  t.equal((await app.inject('/child')).statusCode, 429)
  t.equal((await app.inject('/child/own')).statusCode, 200)
  t.equal((await app.inject('/child/own')).statusCode, 429)
})

t.test('require gives the plugin itself', async (t) => {
  const required: unknown = createRequire(import.meta.url)('@larder/rate-limit')
  t.equal(required, rateLimit)
})
