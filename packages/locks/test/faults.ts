import type { Locks } from '@larder/locks'
import { type RedisServer, startProxy, startRedis, type TcpProxy } from '@larder/test-redis'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { codeOf, type T } from './setup.js'

const unhandled: unknown[] = []
process.on('unhandledRejection', (reason) => unhandled.push(reason))

/** The last test of a file. */
export function noneUnhandled(t: Test): void {
  t.test('all this time no rejection was left unhandled', async (t) => {
    t.strictSame(unhandled, [])
  })
}

/** A server of the test's own. */
export async function start(t: T): Promise<RedisServer> {
  const server = await startRedis()
  t.teardown(() => server.stop())
  return server
}

/** A proxy before it, that breaks the network. */
export async function behind(t: T, server: RedisServer): Promise<TcpProxy> {
  const proxy = await startProxy(server)
  t.teardown(() => proxy.stop())
  return proxy
}

/** A client that reaches the server through the proxy. */
export function far(t: T, proxy: TcpProxy): Redis {
  const redis = new Redis(proxy.url, { retryStrategy: () => 20 })
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  return redis
}

/** Has the server know the scripts. */
export async function warm(locks: Locks): Promise<void> {
  await locks.using('warm', () => locks.using('warm', { wait: 1 }, () => {}).catch(() => {}))
}

/** How long a call takes, and how it ends. */
export async function timed(promise: Promise<unknown>): Promise<{ code: string | undefined; took: number }> {
  const begun = performance.now()
  const code = await codeOf(promise)
  return { code, took: performance.now() - begun }
}
