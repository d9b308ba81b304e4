import { Redis } from 'ioredis'
import { startProxy, type TcpProxy } from './proxy.js'
import { type RedisServer, startRedis } from './server.js'

/** What a subtest of tap is given: it ends what the test began, the last first. */
export interface T {
  teardown(end: () => unknown): void
}

/** A client of a server or of a Cluster that ends with the test, after the application that was given it. */
export function client<Client extends { disconnect(): void }, Options>(
  t: T,
  server: { client(options?: Options): Client },
  options?: Options,
): Client {
  const redis = server.client(options)
  t.teardown(() => redis.disconnect())
  return redis
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

/** The code of the error that a call rejects with; `undefined` when it does not. */
export async function codeOf(call: PromiseLike<unknown>): Promise<string | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}
