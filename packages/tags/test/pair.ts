import {
  type RedisServer,
  startProxy,
  startRedis,
  startWorker,
  type TcpProxy,
  uniqueNamespace,
  type Worker,
} from '@larder/test-redis'
import type { Test } from 'tap'
import type { Methods, Seen, Setup } from './workers/reader.js'

/** Two real processes: `a` keeps a copy and is asked for it again and again; `b`, or another program, changes it. */
export interface Pair {
  readonly server: RedisServer
  /** Before the feed of `a`. */
  readonly proxy: TcpProxy
  readonly a: Worker<Methods>
  readonly b: Worker<Methods>
  readonly namespace: string
}

/** Of a pair that was not told otherwise, in milliseconds. */
export const HEARTBEAT = 500

/** Starts such a pair; it ends with the test. */
export async function startPair(t: Test, heartbeat = HEARTBEAT): Promise<Pair> {
  const server = await startRedis()
  const proxy = await startProxy(server)
  const namespace = uniqueNamespace()
  const start = (feedPort: number): Promise<Worker<Methods>> => {
    const setup: Setup = { port: server.port, feedPort, namespace, heartbeat }
    const file = new URL('./workers/reader.js', import.meta.url)
    return startWorker<Methods>(file, { env: { SETUP: JSON.stringify(setup) } })
  }
  const [a, b] = await Promise.all([start(proxy.port), start(server.port)])
  t.teardown(async () => {
    await Promise.all([a.stop(), b.stop()])
    await proxy.stop()
    await server.stop()
  })
  return { server, proxy, a, b, namespace }
}

/** A command of another program; resolves with when it was done, by the clock of this machine. */
export async function redisCli({ server }: Pair, ...args: [string, ...string[]]): Promise<number> {
  await server.cli(...args)
  return performance.timeOrigin + performance.now()
}

/** The entry's key in Redis. */
export const entry = ({ namespace }: Pair): string => `${namespace}:v:{key}`

/** A change of the entry; resolves with when it was done, as {@link redisCli} does. */
export type Change = readonly [name: string, change: (pair: Pair) => Promise<number>]

/** What happened when {@link watchChange} made its change. */
export interface Watched extends Seen {
  /** When the change was done. */
  readonly done: number
}

/** Makes a change while `a` keeps the entry and reads it again and again, until it is another one. */
export async function watchChange(both: Pair, change: Change[1], old: string, ttl?: string): Promise<Watched> {
  await both.b.call('set', 'key', old, ttl)
  await both.a.call('keep', 'key', old)
  const seeing = both.a.call('watch', 'key', old)
  await both.a.next('watching')
  const done = await change(both)
  return { ...(await seeing), done }
}
