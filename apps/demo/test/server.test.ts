import { createServer } from 'node:net'
import { startRedis } from '@larder/test-redis'
import t from 'tap'
import { ShopProcess } from './smoke/shop-process.js'

const NOTHING_THERE = '127.0.0.1:1'

t.test('a shop that cannot start says why in one line and exits with 1', async (t) => {
  const busy = createServer()
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => busy.close())
  const { port } = busy.address() as { port: number }
  const locked = await startRedis({ args: ['--requirepass', 'open'] })
  t.teardown(() => locked.stop())
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [{ PORT: String(port) }, new RegExp(`Port ${port} is in use`)],
    [{ PORT: 'abc' }, /PORT must be a number/],
    [{ REDIS_URL: `redis://user:secret@${NOTHING_THERE}` }, /Redis at redis:\/\/127\.0\.0\.1:1 .*ECONNREFUSED/],
    [{ REDIS_URL: `redis://${NOTHING_THERE},redis://127.0.0.1:2` }, /no Redis Cluster answers there/],
    [{ REDIS_URL: locked.url }, /it wants a password/],
    [{ REDIS_URL: `redis://127.0.0.1:${port}` }, /no Redis answers there|ECONN/],
    [
      { DATABASE_URL: `postgres://user:secret@${NOTHING_THERE}/shop` },
      /database at postgres:\/\/127\.0\.0\.1:1\/shop .*ECONNREFUSED/,
    ],
  ]
  const attempts = cases.map(async ([environment, reason]) => {
    const shop = new ShopProcess(environment)
    const { code } = await shop.ending()
    t.equal(code, 1, shop.errors.trim())
    t.match(shop.errors, reason)
    t.match(shop.errors, /^larder: [^\n]+\n$/)
    t.notMatch(shop.errors, /secret/)
  })
  await Promise.all(attempts)
})

t.test('says what it runs on and where, and ends within 5 s of each signal', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const shop = new ShopProcess({})
    const address = await shop.address()
    t.match(shop.output, /memory of this process/)
    t.match(shop.output, /PGlite/)
    t.match(shop.output, `curl -i ${address}/products/42`)
    t.match(shop.output, 'user1@example.com')
    t.match(shop.errors, /SESSION_SECRET is unset/)
    // A connection that is kept open must not keep the shop.
    await fetch(`${address}/health`)
    const { code, milliseconds } = await shop.stop(signal)
    t.equal(code, 0, signal)
    t.ok(milliseconds < 5_000)
  }
})
