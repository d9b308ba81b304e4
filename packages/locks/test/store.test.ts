import t from 'tap'
import { RedisStore } from '../dist/redis-store.js'
import type { Resource } from '../dist/resource.js'
import { type Ask, LAST, type Mode } from '../dist/store.js'
import { start } from './faults.js'
import { client, open, queuedOn, type T } from './setup.js'

const TTL = 60_000
const log = { warn: () => {}, info: () => {} }

/** A process that asks, and does nothing with the answers. */
async function bare(t: T) {
  const server = await start(t)
  const { locks, namespace } = await open(t, { redis: client(t, server) })
  const store = new RedisStore(client(t, server), { namespace, deadline: 1_000, log })
  t.teardown(() => store.close())
  const question = (resource: Resource, mode: Mode, arrival: string | undefined): Ask => ({
    resource,
    member: store.member(mode, TTL),
    ttl: TTL,
    arrival,
    behind: arrival !== undefined,
    latch: undefined,
  })
  return { server, locks, namespace, store, question }
}

t.test('a question for a free lock that is sent again is granted again, although others wait meanwhile', async (t) => {
  const { server, locks, namespace, store, question } = await bare(t)
  const ask = question(store.resource('lock', 'key'), 'm', undefined)
  const first = await store.acquire(ask)
  await server.cli('PEXPIRE', ask.resource.place, '20000')
  const second = await store.acquire(ask)
  t.ok((await server.cli<number>('PTTL', ask.resource.place)) > 50_000, 'for as long as was asked for')
  const waiting = locks.acquire('key')
  await queuedOn([server], namespace, 1)
  const third = await store.acquire(ask)
  const tokens = [first, second, third].map((answer) => answer.state === 'granted' && answer.token)
  t.ok(tokens.every(Boolean) && new Set(tokens).size === 3)
  t.strictSame(tokens, [...tokens].sort())
  t.equal(await store.release(ask, true), 'released')
  t.equal(await (await waiting).release(), 'released')
})

t.test('who has a lock, or a place, and asks again keeps it', async (t) => {
  const { server, store, question } = await bare(t)
  for (const [family, mode] of [
    ['lock', 'm'],
    ['semaphore', 's1'],
    ['read-write', 'x'],
  ] as const) {
    const resource = store.resource(family, 'key')
    const holds = question(resource, mode, LAST)
    t.equal((await store.acquire(holds)).state, 'granted')
    await store.listen()
    const waits = [question(resource, mode, LAST), question(resource, mode, LAST)]
    for (const ask of waits) t.equal((await store.acquire(ask)).state, 'queued')
    t.equal((await store.acquire(holds)).state, 'granted', 'sent again')
    t.equal((await store.acquire(waits[0] as Ask)).state, 'queued', 'sent again')
    const members = waits.map(({ member }) => member)
    t.strictSame(await server.cli('ZRANGE', resource.queue, '0', '-1'), members)
    t.equal(await store.release(holds, false), 'released')
    t.strictSame(await server.cli('ZRANGE', resource.queue, '0', '-1'), members.slice(1))
  }
})

t.test('what is kept of permits and readers goes with their last lease', async (t) => {
  const { server, store, question } = await bare(t)
  const resource = store.resource('semaphore', 'key')
  const long = question(resource, 's2', undefined)
  await store.acquire(long)
  await store.acquire({ ...question(resource, 's2', undefined), ttl: 1_000 })
  const rest = await server.cli<number>('PTTL', resource.place)
  t.ok(rest > TTL - 10_000 && rest <= TTL, `${rest} ms`)
})

t.test('a queue of the dead, or of nonsense, holds nobody up', async (t) => {
  const { server, locks, store } = await bare(t)
  for (const member of ['s1:60000:gone:1', 'nonsense']) {
    const resource = store.resource('semaphore', member)
    await server.cli('ZADD', resource.queue, String(Date.now() * 1_000), member)
    const permit = await locks.semaphore(member, { permits: 1 }).tryAcquire()
    t.equal(await permit?.release(), 'released', member)
    t.equal(await server.cli('EXISTS', resource.queue), 0)
  }
})
