import { connect, type Socket } from 'node:net'
import { pollUntil } from '@larder/test-redis'
import type { RedisOptions } from 'ioredis'
import t from 'tap'
import { behind, far, noneUnhandled, start, warm } from './faults.js'
import { client, open, queuedOn } from './setup.js'

const DEADLINE = 250
/** How often a process that waits asks by itself. */
const ASK_EVERY = 1_000

t.test('a lost connection that comes back in time costs no waiter its place', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const redis = client(t, server)
  const { locks, namespace } = await open(t, { redis })
  const remote = await open(t, { redis: far(t, proxy), namespace })
  const lock = await locks.acquire('key')
  const order: number[] = []
  const waiting = [0, 1, 2].map((i) => remote.locks.using('key', { wait: '20s' }, () => void order.push(i)))
  await queuedOn([server], namespace, 3)
  proxy.cut()
  await pollUntil('the proxy to be reached again', () => proxy.connections >= 2)
  await lock.release()
  await Promise.all(waiting)
  t.strictSame(order, [0, 1, 2])
})

t.test('a waiter whose subscriber was cut off gets the lock all the same', async (t) => {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const lock = await locks.acquire('key')
  const waiting = locks.acquire('key', { wait: '20s' })
  await queuedOn([server], namespace, 1)
  await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await lock.release()
  const begun = performance.now()
  t.ok((await waiting).held)
  t.ok(performance.now() - begun < 0.8 * ASK_EVERY)
})

type Address = { readonly host: string; readonly port: number }

/** Connects the client itself to one address, and its duplicates to another. */
function splitting(own: Address, duplicates: Address): NonNullable<RedisOptions['Connector']> {
  let connections = 0
  return class {
    #socket: Socket | undefined
    async connect(): Promise<Socket> {
      const { host, port } = connections++ === 0 ? own : duplicates
      this.#socket = connect(port, host)
      return this.#socket
    }
    check(): boolean {
      return true
    }
    disconnect(): void {
      this.#socket?.destroy()
    }
  } as unknown as NonNullable<RedisOptions['Connector']>
}

t.test('a subscriber whose link goes dead without a word is replaced, and its waiters ask meanwhile', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const remote = await open(t, { redis: client(t, server, { Connector: splitting(server, proxy) }) })
  const { locks, namespace } = await open(t, { redis: client(t, server), namespace: remote.namespace })
  const lock = await locks.acquire('key')
  const called = remote.locks.acquire('key', { wait: '30s' })
  await queuedOn([server], namespace, 1)
  t.equal(proxy.accepted, 1)
  proxy.drop()
  await lock.release()
  const held = await called
  const waiting = remote.locks.acquire('key', { wait: '30s' })
  await pollUntil('another subscriber', () => proxy.accepted > 1)
  await held.release()
  await (await waiting).release()
})

t.test('where channels are forbidden, waiters ask by themselves', async (t) => {
  const server = await start(t)
  await server.cli('ACL', 'SETUSER', 'mute', 'on', 'nopass', '~*', '+@all', 'resetchannels')
  const redis = client(t, server, { username: 'mute', password: 'x' })
  const { locks, namespace } = await open(t, { redis, deadline: DEADLINE })
  const lock = await locks.acquire('key')
  const waiting = Promise.all([0, 1, 2].map((i) => locks.using('key', { wait: '20s' }, () => i)))
  await queuedOn([server], namespace, 3)
  const begun = performance.now()
  t.equal(await lock.release(), 'released')
  t.strictSame(await waiting, [0, 1, 2])
  t.ok(performance.now() - begun < 4 * ASK_EVERY, 'more often than the others do')
})

t.test('who comes while another of its process has yet to get its place is not before it', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { namespace } = near
  const { locks } = await open(t, { redis: far(t, proxy), namespace, deadline: DEADLINE, wait: '20s' })
  await locks.using('warm', () => {})
  const lock = await near.locks.acquire('key')
  // The subscriber cannot connect, so for a while the first one waits for that.
  proxy.refuse()
  await server.resetCommandCounts()
  const order: number[] = []
  const first = locks.using('key', async () => void order.push(1))
  await pollUntil('it to be refused', async () => ((await server.commandCounts()).evalsha ?? 0) > 0)
  // Answers come in order, so it has heard that it was refused.
  await locks.tryAcquire('other')
  await lock.release()
  const second = locks.using('key', async () => void order.push(2))
  await Promise.all([first, second])
  t.strictSame(order, [1, 2])
})

t.test('a call that overtakes the answer that one has to wait is not lost', async (t) => {
  const server = await start(t)
  const proxy = await behind(t, server)
  const near = await open(t, { redis: client(t, server) })
  const { namespace } = near
  const remote = await open(t, { redis: client(t, server, { Connector: splitting(proxy, server) }), namespace })
  await warm(remote.locks)
  const lock = await near.locks.semaphore('key', { permits: 1 }).acquire()
  proxy.hold('toClient')
  const waiting = remote.locks.semaphore('key', { permits: 1 }).acquire()
  await queuedOn([server], namespace, 1)
  await lock.release()
  await near.locks.tryAcquire('after')
  await proxy.restore()
  const begun = performance.now()
  t.ok((await waiting).held)
  t.ok(performance.now() - begun < 0.8 * ASK_EVERY, `after ${performance.now() - begun} ms`)
})

noneUnhandled(t)
