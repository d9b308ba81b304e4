import { pollUntil, startRedis } from '@larder/test-redis'
import t from 'tap'
import { client, kept, open } from './setup.js'

t.test(
  'G7, G8: a pattern that is deleted while Redis hangs is gone here by the deadline, and there when it is back',
  async (t) => {
    const server = await startRedis()
    t.teardown(() => server.stop())
    const options = { redis: client(t, server), deadline: 100, feed: { heartbeat: 300 }, staleIfError: '1h' }
    const { cache, namespace } = await open(t, options)
    await cache.set('user:1', 'old')
    await kept({ memory: true }, cache, 'user:1')
    await server.pause()
    await cache.deletePattern('user:*')
    t.equal(await cache.get('user:1'), undefined)
    t.equal(cache.peek('user:1'), undefined)
    server.resume()
    await pollUntil('the deletion', async () => (await server.cli('EXISTS', `${namespace}:v:{user:1}`)) === 0)
    t.equal(await cache.get('user:1'), undefined)
  },
)
