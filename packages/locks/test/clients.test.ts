import { sharedRedis } from '@larder/test-redis'
import type { RedisOptions } from 'ioredis'
import t from 'tap'
import { client, open, pass, queuedOn } from './setup.js'

const server = await sharedRedis()

for (const [what, options] of Object.entries({
  enableAutoPipelining: { enableAutoPipelining: true },
  'protocol 2': { protocol: 2 },
  'replyMapping resp3': { replyMapping: 'resp3' },
  stringNumbers: { stringNumbers: true },
  'a database of its own': { db: 3 },
  'no offline queue': { enableOfflineQueue: false },
  'no ready check': { enableReadyCheck: false },
} satisfies Record<string, RedisOptions>)) {
  t.test(`with a client that has ${what}, locks are had, waited for, renewed and given back`, async (t) => {
    const one = await open(t, { redis: client(t, server, options) })
    const { locks, namespace } = one
    const semaphore = locks.semaphore('key', { permits: 1 })
    const held = [await locks.acquire('key', { ttl: 300 }), await semaphore.acquire({ ttl: 300 })]
    const waiting = [locks.acquire('key'), semaphore.acquire()]
    if (!('db' in options)) await queuedOn([server], namespace, 2)
    await pass(one, 700)
    for (const lock of held) t.equal(await lock.release(), 'released')
    for (const lock of await Promise.all(waiting)) {
      t.equal(await lock.extend(), 'extended')
      t.equal(await lock.release(), 'released')
      t.equal(await lock.extend(), 'expired')
    }
    const set = await locks.acquireAll(['a', 'b'])
    t.equal(await set.release(), 'released')
  })
}

t.test('with a keyPrefix all of them are below it', async (t) => {
  const { locks, namespace } = await open(t, { redis: client(t, server, { keyPrefix: 'above:' }) })
  const held = await locks.acquire('key')
  const waiting = locks.acquire('key')
  await queuedOn([server], `above:${namespace}`, 1)
  t.strictSame(await server.cli('KEYS', `${namespace}:*`), [])
  t.equal(await held.release(), 'released')
  t.equal(await (await waiting).release(), 'released')
})
