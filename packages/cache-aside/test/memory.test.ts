import { pollUntil, startRedis } from '@larder/test-redis'
import fc from 'fast-check'
import t from 'tap'
import { Fifo, Item } from '../dist/fifo.js'
import { client, counter, entryKey, Gate, heard, open, PATIENT } from './setup.js'

class Thing extends Item {
  readonly name: string

  constructor(name: string) {
    super()
    this.name = name
  }
}

type Step = { do: 'set' | 'get' | 'peek' | 'delete' | 'clear'; key: string; size: number }

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.oneof(
    { weight: 10, arbitrary: fc.constant('set' as const) },
    { weight: 10, arbitrary: fc.constant('get' as const) },
    { weight: 2, arbitrary: fc.constant('delete' as const) },
    { weight: 2, arbitrary: fc.constant('peek' as const) },
    { weight: 1, arbitrary: fc.constant('clear' as const) },
  ),
  key: fc.integer({ min: 0, max: 25 }).map(String),
  size: fc.integer({ min: 0, max: 60 }),
})
const bounds = fc.record({ maxEntries: fc.integer({ min: 1, max: 15 }), maxBytes: fc.integer({ min: 1, max: 300 }) })

t.test('its bounds always hold, and it holds what was put in last or nothing', async () => {
  fc.assert(
    fc.property(bounds, fc.array(step, { maxLength: 300 }), (limits, steps) => {
      const evicted: string[] = []
      const fifo = new Fifo<Thing>(limits, ({ name }) => evicted.push(name))
      /** What was put in and not taken out; the Fifo may have less of it. */
      const model = new Map<string, { thing: Thing; size: number }>()
      steps.forEach(({ do: act, key, size }, i) => {
        if (act === 'set') {
          const thing = new Thing(`${key} of step ${i}`)
          model.set(key, { thing, size })
          fifo.set(key, thing, size)
        } else if (act === 'delete') {
          const had = fifo.peek(key) !== undefined
          model.delete(key)
          if (fifo.delete(key) !== had || fifo.peek(key)) throw new Error('delete')
        } else if (act === 'clear') {
          model.clear()
          fifo.clear()
        } else {
          const found = act === 'get' ? fifo.get(key) : fifo.peek(key)
          if (found && found !== model.get(key)?.thing) throw new Error(`${act} found ${found.name}`)
        }
        const keys = [...fifo.keys()]
        const bytes = keys.reduce((sum, one) => sum + (model.get(one)?.size ?? Number.NaN), 0)
        if (fifo.entries > limits.maxEntries || fifo.bytes > limits.maxBytes) throw new Error('a bound')
        if (fifo.entries !== keys.length || fifo.bytes !== bytes) throw new Error('a sum')
        if (evicted.some((name) => keys.some((one) => fifo.peek(one)?.name === name))) throw new Error('an eviction')
      })
    }),
    { numRuns: 500 },
  )
})

t.test('it keeps what fits: nothing goes before a bound is reached', async (t) => {
  const evicted: string[] = []
  const fifo = new Fifo<Thing>({ maxEntries: 100, maxBytes: 1_000 }, ({ name }) => evicted.push(name))
  for (let i = 0; i < 100; i++) fifo.set(`${i}`, new Thing(`${i}`), 10)
  t.equal(fifo.entries, 100)
  t.strictSame(evicted, [])
  fifo.set('one more', new Thing('one more'), 0)
  t.equal(evicted.length, 1)
})

t.test('a scan does not drive out what is asked for again', async (t) => {
  const fifo = new Fifo<Thing>({ maxEntries: 1_000, maxBytes: Number.POSITIVE_INFINITY })
  const hot = Array.from({ length: 500 }, (_, i) => `hot ${i}`)
  for (const key of hot) fifo.set(key, new Thing(key), 1)
  for (const key of hot) fifo.get(key)
  for (let i = 0; i < 100_000; i++) fifo.set(`scanned ${i}`, new Thing('x'), 1)
  const left = hot.filter((key) => fifo.peek(key)).length
  t.ok(left >= 490, `${left} of 500 are left after a scan of a hundred times the size`)
})

t.test('what comes back after it fell out stays longer than what came once', async (t) => {
  const fifo = new Fifo<Thing>({ maxEntries: 100, maxBytes: Number.POSITIVE_INFINITY })
  for (let i = 0; i < 105; i++) fifo.set(`${i}`, new Thing('x'), 1)
  const gone = ['0', '1', '2'].filter((key) => !fifo.peek(key))
  t.ok(gone.length > 0)
  for (const key of gone) fifo.set(key, new Thing(key), 1)
  for (let i = 0; i < 1_000; i++) fifo.set(`scanned ${i}`, new Thing('x'), 1)
  t.ok(gone.every((key) => fifo.peek(key)))
})

t.test('a popular set is hit more often than by least recently used', async (t) => {
  // A Zipf distribution with one-time keys between, by a fixed seed.
  let seed = 42
  const random = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return seed / 2 ** 32
  }
  const keys = Array.from({ length: 60_000 }, (_, i) =>
    random() < 0.3 ? `once ${i}` : `key ${Math.floor(2_000 * random() ** 3)}`,
  )
  const fifo = new Fifo<Thing>({ maxEntries: 300, maxBytes: Number.POSITIVE_INFINITY })
  const recent = new Map<string, true>()
  const hits = { fifo: 0, recent: 0 }
  for (const key of keys) {
    if (fifo.get(key)) hits.fifo++
    else fifo.set(key, new Thing(key), 1)
    if (recent.delete(key)) hits.recent++
    recent.set(key, true)
    if (recent.size > 300) recent.delete(recent.keys().next().value as string)
  }
  t.ok(hits.fifo > 1.1 * hits.recent, `${hits.fifo} hits to ${hits.recent}`)
})

t.test('an item over the byte bound is not kept, and drives out nobody', async (t) => {
  const fifo = new Fifo<Thing>({ maxEntries: 100, maxBytes: 1_000 })
  for (let i = 0; i < 50; i++) fifo.set(`${i}`, new Thing('x'), 10)
  for (let i = 0; i < 50; i++) fifo.get(`${i}`)
  fifo.set('large', new Thing('large'), 1_001)
  t.equal(fifo.peek('large'), undefined)
  fifo.set('7', new Thing('grown'), 1_001)
  t.equal(fifo.peek('7'), undefined, 'the old one is not left in its place')
  t.equal(fifo.entries, 49)
  fifo.clear()
  fifo.set('fits', new Thing('fits'), 1_000)
  t.ok(fifo.peek('fits'), 'one of just the bound is')
})

t.test('memory.maxEntries and memory.maxBytes bound the copies of a cache', async (t) => {
  const few = await open(t, { redis: false, memory: { maxEntries: 10 } })
  const small = await open(t, { redis: false, memory: { maxBytes: '20kb' } })
  const keys = Array.from({ length: 200 }, (_, i) => `key ${i}`)
  for (const { cache } of [few, small]) {
    for (const key of keys) {
      await cache.getOrSet(key, () => 'x'.repeat(1_000))
      await cache.get(key)
    }
  }
  const copies = keys.filter((key) => few.cache.peek(key) !== undefined).length
  t.ok(copies > 0 && copies <= 10, `${copies} copies`)
  const bytes = keys.filter((key) => small.cache.peek(key) !== undefined).length * 1_000
  t.ok(bytes > 0 && bytes <= 20 * 1024, `${bytes} bytes`)
  await small.cache.set('large', 'x'.repeat(30_000))
  t.equal(small.cache.peek('large'), undefined, 'what is larger than the bound is not kept')
})

t.test('without Redis, what was just loaded or written is at hand in this process', async (t) => {
  const { cache } = await open(t, { redis: false })
  await cache.getOrSet('loaded', () => 1)
  await cache.set('set', 2)
  await cache.writeThrough('written', () => 3)
  await cache.getMany(['many'], () => [4])
  t.strictSame(
    ['loaded', 'set', 'written', 'many'].map((key) => cache.peek(key)),
    [1, 2, 3, 4],
  )
})

t.test('on one Redis', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const site = { name: '', shared: true, memory: true, open: () => open(t, {}), node: async () => server }

  await t.test('hits run no command, also with tags, also of many keys', async (t) => {
    const opened = await open(t, { ...PATIENT, redis: client(t, server), feed: { heartbeat: '1h' } })
    const { cache } = opened
    const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`)
    const load = counter('loaded')
    const wrapped = cache.wrap('f', load, { tags: ['a'] })
    await cache.getMany(keys, () => keys, { tags: ['a', 'b', 'c'] })
    await wrapped()
    // The echo of its own stores drops the first copies.
    await heard(site, opened, 'key')
    await cache.getMany(keys)
    await wrapped()
    await server.resetCommandCounts()
    for (let i = 0; i < 1_000; i++) await cache.getOrSet(keys[i % 100] as string, load)
    await cache.getMany(keys, () => [])
    await cache.get('key 1')
    await cache.has('key 1')
    await cache.entry('key 1', load)
    await wrapped()
    await wrapped.many([[]])
    t.strictSame(await server.commandCounts(), {})
    t.equal(load.calls, 1)
  })

  await t.test('a hit in Redis is one GET, and of many keys one MGET for each 25, also with tags', async (t) => {
    const { cache } = await open(t, { ...PATIENT, redis: client(t, server), memory: false, feed: { heartbeat: '1h' } })
    const keys = Array.from({ length: 100 }, (_, i) => `key ${i}`)
    await cache.getMany(keys, () => keys, { tags: ['a', 'b'] })
    await cache.getMany(keys)
    await server.resetCommandCounts()
    for (let i = 0; i < 50; i++) await cache.getOrSet(keys[i] as string, () => 'loaded')
    t.strictSame(await server.commandCounts(), { get: 50 })
    await server.resetCommandCounts()
    t.strictSame(await cache.getMany(keys), keys)
    t.strictSame(await server.commandCounts(), { mget: 4 })
    await server.resetCommandCounts()
    await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet('key 1', () => 'loaded')))
    const { get = 0 } = await server.commandCounts()
    t.ok(get <= 2, `a GET that is not yet sent is shared: ${get} for 100 callers`)
  })

  await t.test('a load of an absent key takes a read, a lease and a store', async (t) => {
    const { cache } = await open(t, { ...PATIENT, redis: client(t, server), feed: { heartbeat: '1h' } })
    await cache.getOrSet('warm', () => 1)
    await cache.getOrSet('warm too', () => 1, { tags: ['tag'] })
    await server.resetCommandCounts()
    await cache.getOrSet('key', () => 1, { tags: ['tag'] })
    const { evalsha, eval: plain, mget = 0, ping = 0 } = await server.commandCounts()
    t.equal(plain, undefined, 'scripts are known by then')
    t.ok((evalsha ?? 0) <= 4, `${evalsha} scripts`)
    t.equal(mget + ping, 0)
  })

  await t.test('memory.ttl ends a copy before its entry', async (t) => {
    const { cache } = await open(t, { ...PATIENT, redis: client(t, server), memory: { ttl: 30 } })
    await cache.set('key', 'value', { ttl: '1h' })
    await pollUntil('a copy', async () => (await cache.get('key')) === cache.peek('key'))
    await pollUntil('its end', () => cache.peek('key') === undefined)
    t.equal(await cache.get('key'), 'value')
  })

  await t.test('copies are trusted only as long as changes are heard', async (t) => {
    const opened = await open(t, { ...PATIENT, redis: client(t, server) })
    const { cache } = opened
    await cache.set('key', 'old')
    await pollUntil('a copy', async () => (await cache.get('key')) === cache.peek('key'))
    // The message of the change is lost with its connection.
    await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await server.cli('DEL', entryKey(opened, 'key'))
    await pollUntil('the loss to be noticed', () => cache.peek('key') === undefined)
    t.equal(await cache.get('key'), undefined)
    await cache.set('key', 'new')
    await pollUntil('a copy again', async () => (await cache.get('key')) === 'new' && cache.peek('key') === 'new')
  })

  await t.test('FLUSHALL drops all copies, and voids the loads under way', async (t) => {
    const opened = await open(t, { ...PATIENT, redis: client(t, server) })
    const { cache } = opened
    await cache.set('key', 'old')
    await pollUntil('a copy', async () => (await cache.get('key')) === cache.peek('key'))
    const gate = new Gate<string>()
    const before = cache.getOrSet('loading', gate.load, { tags: ['tag'] })
    await gate.begun()
    await server.cli('FLUSHALL')
    await pollUntil('it to be heard', () => cache.peek('key') === undefined)
    t.equal(await cache.get('key'), undefined)
    await heard(site, opened, 'loading')
    const late = cache.getOrSet('loading', () => 'new')
    gate.open('old')
    t.equal(await before, 'old')
    t.equal(await late, 'new')
    t.equal(await cache.get('loading'), 'new')
  })

  await t.test('without a memory layer a delete by another program holds at once', async (t) => {
    const opened = await open(t, { ...PATIENT, redis: client(t, server), memory: false })
    for (let i = 0; i < 20; i++) {
      await opened.cache.set('key', i)
      await server.cli('DEL', entryKey(opened, 'key'))
      t.equal(await opened.cache.get('key'), undefined)
    }
  })
})
