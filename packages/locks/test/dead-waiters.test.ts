import { setTimeout as sleep } from 'node:timers/promises'
import { pollUntil, type RedisServer, startWorker } from '@larder/test-redis'
import t from 'tap'
import { noneUnhandled, start } from './faults.js'
import { client, open, pending, queuedOn } from './setup.js'
import type { Methods } from './workers/holder.js'

const HOLDER = new URL('./workers/holder.js', import.meta.url)
/** How long a waiter that was called and is not heard of keeps the others waiting; who is passed over at once costs less. */
const CLAIM = 1_000

async function subscribers(server: RedisServer): Promise<number> {
  return (await server.cli<string>('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n').filter(Boolean).length
}

t.test('a waiter whose process died is passed over at once', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(HOLDER, { env: { REDIS: server.url, NAMESPACE: namespace } })
  const lock = await locks.acquire('key')
  const dead = Promise.all([0, 1, 2].map(() => worker.call('acquire', 'key', { wait: '1m' }))).catch(() => {})
  await queuedOn([server], namespace, 3)
  const alive = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 4)
  await worker.kill()
  await dead
  await pollUntil('Redis to notice', async () => (await subscribers(server)) === 1)
  const begun = performance.now()
  await lock.release()
  await alive
  t.ok(performance.now() - begun < 0.8 * CLAIM, `after ${performance.now() - begun} ms`)
})

t.test('a waiter whose process is stopped is passed over, and has its place again when it goes on', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(HOLDER, { env: { REDIS: server.url, NAMESPACE: namespace } })
  t.teardown(() => worker.stop())
  const lock = await locks.acquire('key')
  const stopped = worker.call('acquire', 'key', { wait: '1m' })
  await queuedOn([server], namespace, 1)
  const alive = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 2)
  await worker.pause()
  const last = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 3)
  const begun = performance.now()
  await lock.release()
  const next = await alive
  t.ok(performance.now() - begun < CLAIM + 2_000, `after ${performance.now() - begun} ms`)
  worker.resume()
  await queuedOn([server], namespace, 2)
  await next.release()
  await stopped
  t.equal(await pending(last), true)
  await worker.call('release', 'key')
  await (await last).release()
})

t.test('a stopped waiter whose own wait is over is passed over at once', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(HOLDER, { env: { REDIS: server.url, NAMESPACE: namespace } })
  t.teardown(() => worker.stop())
  const lock = await locks.acquire('key')
  const stopped = worker.call('acquire', 'key', { wait: 400 })
  await queuedOn([server], namespace, 1)
  await worker.pause()
  const alive = locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 2)
  await sleep(450)
  const begun = performance.now()
  await lock.release()
  await alive
  t.ok(performance.now() - begun < 0.8 * CLAIM)
  worker.resume()
  t.equal(await stopped, 'LARDER_LOCKS_TIMEOUT')
})

t.test('a queue of which all have died goes when the last wait would have been over', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const worker = await startWorker<Methods>(HOLDER, { env: { REDIS: server.url, NAMESPACE: namespace } })
  await locks.acquire('key', { ttl: '1h' })
  const dead = Promise.all(['1m', 900].map((wait) => worker.call('acquire', 'key', { wait }))).catch(() => {})
  await queuedOn([server], namespace, 2)
  await worker.kill()
  await dead
  const [queue] = await server.cli<string[]>('KEYS', `${namespace}:lock-queue:*`)
  const rest = await server.cli<number>('PTTL', queue as string)
  t.ok(rest > 0 && rest <= 60_000, `in ${rest} ms`)
})

noneUnhandled(t)
