import { pollUntil, sharedRedis, startProxy, startRedis } from '@larder/test-redis'
import { Redis } from 'ioredis'
import t from 'tap'
import { allSites, client, entryKey, Gate, heard, joined, open, PATIENT } from './setup.js'

/** Lets so many turns of the microtask queue pass. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}

t.test('who asks at any moment around the last caller’s leaving gets a value, not that caller’s reason', async (t) => {
  const { cache } = await open(t, { redis: false })
  const wrong: string[] = []
  for (let before = 0; before < 40; before++) {
    for (let after = 0; after < 12; after++) {
      const key = `${before} ${after}`
      const controller = new AbortController()
      const load = ({ signal }: { signal: AbortSignal }): string => {
        signal.throwIfAborted()
        return 'value'
      }
      const leaving = cache.getOrSet(key, load, { signal: controller.signal }).catch(() => 'left')
      await turns(before)
      const next = cache.getOrSet(key, load).catch((error: Error) => error.message)
      await turns(after)
      controller.abort(new Error('the reason of another'))
      const later = cache.getOrSet(key, load).catch((error: Error) => error.message)
      await leaving
      for (const answer of await Promise.all([next, later])) if (answer !== 'value') wrong.push(`${key}: ${answer}`)
    }
  }
  t.strictSame(wrong, [])
})

t.test('an entry read before a change, and told of after it, is not kept (G1)', async (t) => {
  const server = await startRedis()
  const proxy = await startProxy(server)
  t.teardown(async () => {
    await proxy.stop()
    await server.stop()
  })
  // The feed takes another way to the server than the commands, and is the faster one.
  const direct = client(t, server)
  const redis = new Redis(proxy.url)
  redis.on('error', () => {})
  t.teardown(() => redis.disconnect())
  redis.duplicate = (override) => direct.duplicate(override)
  const opened = await open(t, { ...PATIENT, redis, feed: { heartbeat: '1m' } })
  const { cache } = opened
  const site = { name: '', shared: true, memory: true, open: () => open(t, {}), node: async () => server }
  const other = await open(t, { ...PATIENT, redis: client(t, server), namespace: opened.namespace })
  await other.cache.set('key', 'old')
  await heard(site, opened, 'key')
  await cache.get('warm')
  const gets = async (): Promise<number> => (await server.commandCounts()).get ?? 0
  const before = await gets()
  proxy.hold('toClient')
  const reading = cache.get('key')
  await pollUntil('the server to have answered', async () => (await gets()) > before)
  await other.cache.set('key', 'new')
  await pollUntil('the other process to have it', async () => (await other.cache.get('key')) === 'new')
  await new Promise(setImmediate)
  await proxy.restore()
  t.equal(await reading, 'old', 'who asked before gets what was there')
  t.not(cache.peek('key'), 'old', 'and it is not kept')
  t.equal(await cache.get('key'), 'new')
})

for (const site of (await allSites()).filter(({ shared }) => shared)) {
  t.test(`a refresh that an expire voids is not stored, ${site.name}`, async (t) => {
    const one = await site.open(t)
    const two = await site.open(t, { namespace: one.namespace })
    await one.cache.set('key', 'stale')
    await one.cache.expire('key')
    const [old, fresh] = [new Gate<string>(), new Gate<string>()]
    t.equal(await one.cache.getOrSet('key', old.load), 'stale')
    await old.begun()
    await two.cache.expire('key')
    // The lease is gone with it, so another process may refresh at once.
    await pollUntil('another refresh', async () => {
      await two.cache.getOrSet('key', fresh.load)
      return fresh.calls === 1
    })
    old.open('loaded before it expired')
    await joined(one.cache, 'key')
    t.equal((await two.cache.entry('key')).value, 'stale', 'the first one was stored nowhere')
    fresh.open('new')
    for (const { cache } of [one, two]) await pollUntil('the new one', async () => (await cache.get('key')) === 'new')
  })
}

t.test('a process whose tags stand still distrusts a load by the change of its key alone (G1)', async (t) => {
  const server = await sharedRedis()
  const site = { name: '', shared: true, memory: true, open: () => open(t, {}), node: async () => server }
  const opened = await open(t, { ...PATIENT, redis: client(t, server) })
  const { cache } = opened
  // All tags are made, and their making is heard: from now on nothing but the key changes.
  await cache.getOrSet('warm', () => 1)
  await heard(site, opened, 'warm')
  const [old, fresh] = [new Gate<string>(), new Gate<string>()]
  const before = cache.getOrSet('key', old.load)
  await old.begun()
  await server.cli('SET', entryKey(opened, 'key'), 'foreign')
  await heard(site, opened, 'key')
  const late = cache.getOrSet('key', fresh.load)
  await joined(cache, 'key')
  old.open('old')
  t.equal(await before, 'old')
  await fresh.begun()
  fresh.open('new')
  t.equal(await late, 'new')
})

t.test('a copy that a parent keeps does not outlive its child’s clear (G1)', async (t) => {
  const server = await sharedRedis()
  for (const redis of [false as const, client(t, server)]) {
    const { cache } = await open(t, { ...PATIENT, redis })
    const child = cache.namespace('child')
    await child.getOrSet('warm', () => 1)
    await cache.getOrSet('child:key', () => 'by the parent')
    await pollUntil('a copy', async () => {
      await cache.get('child:key')
      return cache.peek('child:key') === 'by the parent'
    })
    await child.clear()
    t.equal(child.peek('key'), undefined)
    t.equal(await child.get('key'), undefined)
    t.strictSame(await child.getMany(['key']), [undefined])
  }
})
