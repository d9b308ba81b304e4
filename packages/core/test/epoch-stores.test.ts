import {
  type Caller,
  type EpochStore,
  encodeTag,
  Gate,
  MemoryEpochStore,
  namespaceTag,
  RedisEpochStore,
  type Tag,
  type TagEpochs,
} from '@larder/core'
import { pollUntil, sharedCluster, sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fc from 'fast-check'
import type { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { client, Journal, type T } from './setup.js'

const DAY = 86_400_000

/** An epoch store, and ways around it where it lies in Redis. */
interface Site {
  readonly name: string
  open(t: T): Promise<{ store: EpochStore; raw: Raw | undefined }>
}

/** What others may do to the keys. */
interface Raw {
  /** How often the server was asked since the last time. */
  set(key: 'clock' | Tag, value: string): Promise<unknown>
  del(key: 'clock' | Tag): Promise<unknown>
  get(key: 'clock' | Tag): Promise<string | null>
  pttl(key: 'clock' | Tag): Promise<number>
  persist(key: Tag): Promise<unknown>
  makeList(key: 'clock' | Tag): Promise<unknown>
  /** Milliseconds of Redis time that the store handed on. */
  readonly times: number[]
}

function onRedis(redis: Redis | Cluster, caller: Caller): { store: EpochStore; raw: Raw } {
  const namespace = uniqueNamespace()
  const name = (key: string) => (key === 'clock' ? `{${namespace}}:clock` : `{${namespace}}:t:${key}`)
  const times: number[] = []
  const keys = { clock: name('clock'), tag: name, channel: () => '', time: (at: number) => void times.push(at) }
  return {
    store: new RedisEpochStore(caller, keys),
    raw: {
      set: (key, value) => redis.set(name(key), value),
      del: (key) => redis.del(name(key)),
      get: (key) => redis.get(name(key)),
      pttl: (key) => redis.pttl(name(key)),
      persist: (key) => redis.persist(name(key)),
      makeList: async (key) => {
        await redis.del(name(key))
        await redis.lpush(name(key), 1)
      },
      times,
    },
  }
}

async function gateOf(t: T, redis: Redis | Cluster): Promise<Gate> {
  const gate = new Gate(redis, { deadline: 2_000, log: new Journal() })
  t.teardown(() => gate.close())
  await pollUntil('the breaker to close', () => gate.up)
  return gate
}

const sites: Site[] = [
  { name: 'in memory', open: async () => ({ store: new MemoryEpochStore(), raw: undefined }) },
  {
    name: 'on one Redis',
    open: async (t) => {
      const redis = client(t, await sharedRedis())
      return onRedis(redis, await gateOf(t, redis))
    },
  },
  {
    name: 'on Cluster',
    open: async (t) => {
      const redis = (await sharedCluster()).client()
      t.teardown(() => redis.disconnect())
      return onRedis(redis, await gateOf(t, redis))
    },
  },
]

const [A, B, C] = ['a', 'b', 'c'].map(encodeTag) as [Tag, Tag, Tag]

function keepsEpochs(t: Test, site: Site): void {
  t.test('a tag is made at the clock, and stays until it is raised', async (t) => {
    const { store } = await site.open(t)
    t.same(await store.read([A, B]), [undefined, undefined])
    const made = await store.ensure([A], 1_000, 0)
    t.match(made.tags, [{ hard: made.clock, soft: made.clock }])
    t.same(await store.read([A, B]), [{ hard: made.clock, soft: made.clock, raised: 0 }, undefined])
    const again = await store.ensure([B, A], 1_000, 0)
    t.equal(again.clock, made.clock, 'reading does not tick')
    t.match(again.tags, [{ hard: made.clock }, { hard: made.clock }])
    t.ok(again.tags.every(({ life }) => life >= 1_000))
  })

  t.test('raising is one act: all tags that exist get the one new epoch, the others none', async (t) => {
    const { store } = await site.open(t)
    const { clock } = await store.ensure([A, B], 1_000, 0)
    const hard = await store.raise([A, C, B], 'hard', 0)
    t.ok(hard > clock)
    const all = { hard, soft: hard, raised: hard }
    t.same(await store.read([A, B, C]), [all, all, undefined])
    const soft = await store.raise([A], 'soft', 0)
    t.ok(soft > hard)
    t.same(await store.read([A, B]), [{ hard, soft, raised: soft }, all])
    t.equal((await store.ensure([], 1_000, 0)).clock, soft, 'the clock stands at the last one')
    t.match((await store.ensure([C], 1_000, 0)).tags, [{ hard: soft }], 'a tag that was missing is made at it')
  })

  t.test('no two invalidations have one epoch, and none an earlier one', async (t) => {
    const { store } = await site.open(t)
    await store.ensure([A], 1_000, 0)
    const epochs = await Promise.all(Array.from({ length: 200 }, () => store.raise([A], 'hard', 0)))
    t.equal(new Set(epochs).size, 200)
    t.match(await store.read([A]), [{ hard: Math.max(...epochs) }])
    let last = Math.max(...epochs)
    for (let i = 0; i < 50; i++) {
      const next = await store.raise([A], 'hard', 0)
      t.ok(next > last)
      last = next
    }
  })

  t.test('the namespace’s own tag is a tag as others are', async (t) => {
    const { store } = await site.open(t)
    const tags = [namespaceTag(''), namespaceTag('child'), encodeTag(':'), encodeTag(':child')]
    await store.ensure(tags, 1_000, 0)
    const epoch = await store.raise([namespaceTag('child')], 'hard', 0)
    const raised = (await store.read(tags)).map((record) => record?.raised)
    t.same(raised, [0, epoch, 0, 0])
  })
}

function survives(t: Test, site: Site): void {
  const open = async (t: Test) => (await site.open(t)) as { store: EpochStore; raw: Raw }

  t.test('G3: a tag that was evicted comes back at the clock of now, never at an earlier epoch', async (t) => {
    const { store, raw } = await open(t)
    const before = await store.ensure([A], 1_000, 0)
    const raised = await store.raise([A], 'hard', 0)
    await raw.del(A)
    t.same(await store.read([A]), [undefined], 'until then it is missing, which means invalid')
    const { tags } = await store.ensure([A], 1_000, 0)
    t.ok((tags[0] as TagEpochs).hard >= raised)
    t.ok((tags[0] as TagEpochs).hard > before.clock, 'so an entry from before the invalidation stays invalid')
    await raw.del(A)
    await store.raise([A], 'hard', 0)
    t.equal(await raw.get(A), null, 'an invalidation does not make it')
  })

  t.test('G3: a clock that was lost is made by a tick, and never counts as 0', async (t) => {
    const { store, raw } = await open(t)
    const { clock } = await store.ensure([A], 1_000, 0)
    const raised = await store.raise([A], 'hard', 0)
    await raw.del('clock')
    const again = await store.ensure([A, B], 1_000, 0)
    t.ok(again.clock > raised)
    t.match(again.tags, [{ hard: raised }, { hard: again.clock }])
    await raw.del('clock')
    t.ok((await store.raise([A], 'hard', 0)) > again.clock)
    t.ok(again.clock > clock)
  })

  t.test('a server whose clock was set back goes on counting from where it was', async (t) => {
    const { store, raw } = await open(t)
    // The same to the protocol: the clock of the namespace is ahead of TIME.
    const ahead = (Date.now() + 3_600_000) * 1_000
    await raw.set('clock', String(ahead))
    const { clock, tags } = await store.ensure([A], 1_000, 0)
    t.equal(clock, ahead)
    t.match(tags, [{ hard: ahead }])
    t.equal(await store.raise([A], 'hard', 0), ahead + 1)
    t.equal(await store.raise([A], 'hard', 0), ahead + 2)
  })

  t.test('what a process has seen is not undone by a Redis that lost it', async (t) => {
    const { store, raw } = await open(t)
    const seen = (Date.now() + 3_600_000) * 1_000
    await store.ensure([A], 1_000, 0)
    const { clock, tags } = await store.ensure([A, B], 1_000, seen)
    t.ok(clock > seen)
    t.match(tags, [{ hard: tags[0]?.hard }, { hard: clock }])
    await raw.del('clock')
    t.ok((await store.raise([A], 'hard', seen + 100)) > seen + 100)
  })

  t.test('foreign bytes where an epoch should be count as missing', async (t) => {
    const { store, raw } = await open(t)
    const spoil: ((key: 'clock' | Tag) => Promise<unknown>)[] = [
      (key) => raw.set(key, ''),
      (key) => raw.set(key, 'nan'),
      (key) => raw.set(key, 'inf'),
      (key) => raw.set(key, '-1'),
      (key) => raw.set(key, '12 34'),
      (key) => raw.makeList(key),
    ]
    for (const damage of spoil) {
      const { clock } = await store.ensure([A, B], 1_000, 0)
      await damage('clock')
      const made = await store.ensure([A], 1_000, 0)
      t.ok(made.clock > clock)
      await damage('clock')
      t.ok((await store.raise([B], 'hard', 0)) > made.clock)
      await damage(A)
      if ((await raw.pttl(A)) !== -2 && spoil.indexOf(damage) < 5) t.same(await store.read([A]), [undefined])
      const { tags } = await store.ensure([A], 1_000, 0)
      t.ok((tags[0] as TagEpochs).hard >= made.clock)
      await damage(A)
      const hard = await store.raise([A], 'hard', 0)
      t.match(await store.read([A]), [{ hard }], 'a hard invalidation replaces it')
      await damage(A)
      await store.raise([A], 'soft', 0)
      t.equal(await raw.get(A), null, 'a soft one, which would have to know what was there, removes it')
    }
  })

  t.test('a tag lives a day or four times the longest entry, and is lengthened only when it must be', async (t) => {
    const { store, raw } = await open(t)
    const near = (actual: number, expected: number) => t.ok(actual <= expected && actual > expected - 60_000)
    const { tags } = await store.ensure([A], 60_000, 0)
    near(await raw.pttl(A), DAY)
    near((tags[0] as { life: number }).life, DAY)
    await store.ensure([A], DAY / 2 - 60_000, 0)
    near(await raw.pttl(A), DAY)
    await store.ensure([A], DAY, 0)
    near(await raw.pttl(A), 4 * DAY)
    await store.raise([A], 'hard', 0)
    near(await raw.pttl(A), 4 * DAY)
    await store.raise([A], 'soft', 0)
    near(await raw.pttl(A), 4 * DAY)
    await raw.persist(A)
    await store.ensure([A], 1_000, 0)
    near(await raw.pttl(A), DAY)
    t.equal(await raw.pttl('clock'), -1, 'the clock is for ever')
  })

  t.test('after each ensure a tag lives at least as long as it was said it must', async (t) => {
    const { store, raw } = await open(t)
    const needs = fc.array(
      fc.oneof(fc.double({ min: 1, max: 30 * DAY, noNaN: true }), fc.constantFrom(0.5, DAY / 2, DAY, DAY / 4)),
      { minLength: 1, maxLength: 5 },
    )
    await fc.assert(
      fc.asyncProperty(needs, async (all) => {
        await raw.del(A)
        for (const need of all) {
          const { tags } = await store.ensure([A], need, 0)
          const { life } = tags[0] as { life: number }
          const left = await raw.pttl(A)
          if (life < need || left < need - 5_000 || left > life) return false
        }
        return true
      }),
      { numRuns: 30 },
    )
  })

  t.test('each ensure hands on the time of the server', async (t) => {
    const { store, raw } = await open(t)
    await store.ensure([A], 1_000, 0)
    t.equal(raw.times.length, 1)
    t.ok(Math.abs((raw.times[0] as number) - Date.now()) < 5_000)
  })
}

for (const site of sites) {
  t.test(site.name, { jobs: 4 }, async (t) => {
    keepsEpochs(t, site)
    if (site.name !== 'in memory') survives(t, site)
  })
}
