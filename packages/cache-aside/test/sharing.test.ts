import type { Cache } from '@larder/cache-aside'
import { pollUntil } from '@larder/test-redis'
import t, { type Test } from 'tap'
import { allSites, client, counter, entryKey, Gate, heard, joined, type Opened, type Site } from './setup.js'

for (const site of (await allSites()).filter(({ shared }) => shared)) {
  t.test(site.name, { jobs: 4 }, async (t) => {
    foreign(t, site)
    processes(t, site)
    leases(t, site)
    lost(t, site)
  })
}

/** Runs a command on the node that holds a key, as another program would. */
async function cli(site: Site, command: string, key: string, ...args: (string | number | Buffer)[]): Promise<unknown> {
  return (await site.node(key)).cli(command, key, ...args)
}

/** What other programs do to our keys. */
function foreign(t: Test, site: Site): void {
  for (const [command, ...args] of [['DEL'], ['UNLINK'], ['SET', 'foreign'], ['SET', ''], ['PEXPIRE', '-1']] as const) {
    const what = `a ${command === 'SET' ? `SET ${JSON.stringify(args[0])}` : command} by another program`

    t.test(`${what} during a load: the old value goes to who asked before, and into no cache (G1)`, async (t) => {
      const opened = await site.open(t)
      const { cache } = opened
      const [old, fresh] = [new Gate<string>(), new Gate<string>()]
      const before = cache.getOrSet('key', old.load)
      await old.begun()
      await cli(site, command as string, entryKey(opened, 'key'), ...args)
      await heard(site, opened, 'key')
      const late = cache.getOrSet('key', fresh.load)
      old.open('old')
      t.equal(await before, 'old')
      await fresh.begun()
      fresh.open('new')
      t.equal(await late, 'new', 'who asked after it was heard does not get it')
      t.equal(await cache.get('key'), 'new')
      const other = await site.open(t, { namespace: opened.namespace })
      t.equal(await other.cache.get('key'), 'new')
    })

    t.test(`${what} takes an entry from all processes (G1)`, async (t) => {
      const one = await site.open(t)
      const two = await site.open(t, { namespace: one.namespace })
      await one.cache.set('key', 'old')
      for (const { cache } of [one, two]) await pollUntil('a copy', () => has(site, cache, 'old'))
      await cli(site, command as string, entryKey(one, 'key'), ...args)
      for (const { cache } of [one, two]) await pollUntil('it to be gone', async () => !(await cache.has('key')))
      t.equal(await one.cache.getOrSet('key', () => 'new'), 'new')
      t.equal(await two.cache.get('key'), 'new')
    })
  }

  t.test(
    'a DEL by another program during a refresh: what it brings is stored nowhere, not even over a new entry (G1)',
    async (t) => {
      const one = await site.open(t)
      const two = await site.open(t, { namespace: one.namespace })
      await one.cache.set('key', 'stale')
      await one.cache.expire('key')
      const gate = new Gate<string>()
      await pollUntil('the entry to be stale', async () => (await one.cache.entry('key')).state === 'stale')
      t.equal(await one.cache.getOrSet('key', gate.load), 'stale')
      await gate.begun()
      await cli(site, 'DEL', entryKey(one, 'key'))
      await pollUntil('the other process to see it', async () => !(await two.cache.has('key')))
      t.equal(await two.cache.getOrSet('key', () => 'new'), 'new')
      gate.open('old')
      await heard(site, one, 'key')
      await joined(one.cache, 'key')
      await pollUntil('the new value', async () => (await one.cache.get('key')) === 'new')
      t.equal(await two.cache.get('key'), 'new')
    },
  )

  t.test('a value of another type under our key is a miss, and is replaced', async (t) => {
    const opened = await site.open(t)
    const { cache } = opened
    for (const [command, ...args] of [
      ['LPUSH', 'a'],
      ['HSET', 'a', 'b'],
      ['SADD', 'a'],
      ['ZADD', '1', 'a'],
    ] as const) {
      const make = async (key: string): Promise<void> => void (await cli(site, command, entryKey(opened, key), ...args))
      await make(`read ${command}`)
      t.equal(await cache.get(`read ${command}`), undefined)
      t.strictSame(await cache.getMany([`read ${command}`, 'none']), [undefined, undefined])
      t.equal(await cache.getOrSet(`read ${command}`, () => 'loaded'), 'loaded')
      t.equal(await cache.get(`read ${command}`), 'loaded')
      await make(`set ${command}`)
      await cache.set(`set ${command}`, 'set')
      t.equal(await cache.get(`set ${command}`), 'set')
      await make(`written ${command}`)
      t.equal(await cache.writeThrough(`written ${command}`, () => 'written'), 'written')
      t.equal(await cache.get(`written ${command}`), 'written')
      await make(`many ${command}`)
      t.strictSame(await cache.getMany([`many ${command}`], () => ['many']), ['many'])
      await make(`expired ${command}`)
      await cache.expire(`expired ${command}`)
      t.equal(await cache.get(`expired ${command}`), undefined)
      await make(`deleted ${command}`)
      await cache.delete(`deleted ${command}`)
      t.equal(await cli(site, 'EXISTS', entryKey(opened, `deleted ${command}`)), 0)
    }
    t.equal(await cache.deletePattern('* LPUSH'), 5, 'a pattern finds them')
  })

  t.test('bytes that are none of our entries are a miss, and are replaced', async (t) => {
    const opened = await site.open(t)
    const { cache } = opened
    await cache.set('good', { n: 12345 })
    const node = await site.node(entryKey(opened, 'good'))
    const good = (await client(t, node).getBuffer(entryKey(opened, 'good'))) as Buffer
    const older = Buffer.from(good)
    older.write('E0', 0)
    const newer = Buffer.from(good)
    newer.write('E9', 0)
    const cases = [
      Buffer.alloc(0),
      Buffer.from('E'),
      Buffer.from('E1'),
      Buffer.from('{"n":1}'),
      Buffer.alloc(1000, 0xff),
      Buffer.alloc(1000),
      good.subarray(0, good.length - 1),
      good.subarray(0, 30),
      Buffer.concat([good, Buffer.from(' ')]),
      Buffer.concat([good, good]),
      older,
      newer,
    ]
    for (const [i, bytes] of cases.entries()) {
      const key = `key ${i}`
      await cli(site, 'SET', entryKey(opened, key), bytes)
      t.equal(await cache.get(key), undefined)
      t.strictSame(await cache.getMany([key]), [undefined])
      t.equal((await cache.entry(key, () => 'loaded')).value, 'loaded')
      t.equal(await cache.get(key), 'loaded')
    }
    t.strictSame(await cache.get('good'), { n: 12345 }, 'nothing else is lost')
  })

  t.test('a placeholder that never ends is nobody’s, and is loaded over', async (t) => {
    const opened = await site.open(t)
    await cli(site, 'SET', entryKey(opened, 'key'), 'L1 and a token ...')
    t.equal(await opened.cache.getOrSet('key', () => 'loaded'), 'loaded')
    t.equal(await opened.cache.get('key'), 'loaded')
  })

  t.test('a foreign value in the place of the lease of a refresh costs a refresh and nothing else', async (t) => {
    const opened = await site.open(t)
    const { cache, namespace } = opened
    await cache.set('key', 'old')
    await cache.expire('key')
    await cli(site, 'HSET', `${namespace}:l:{key}`, 'a', 'b')
    const load = counter('new')
    t.equal(await cache.getOrSet('key', load), 'old')
    t.equal(await cache.getOrSet('key', load), 'old')
    await cache.delete('key')
    t.equal(await cache.getOrSet('key', load), 'new')
    t.equal(load.calls, 1)
  })
}

async function has(site: Site, cache: Cache, value: unknown): Promise<boolean> {
  return (await cache.get('key')) === value && (!site.memory || cache.peek('key') === value)
}

/** What processes see of each other. */
function processes(t: Test, site: Site): void {
  const pair = async (t: Test): Promise<[Opened, Opened]> => {
    const one = await site.open(t)
    return [one, await site.open(t, { namespace: one.namespace })]
  }

  for (const [what, change, after] of [
    ['set', (cache: Cache) => cache.set('key', 'new'), 'new'],
    ['delete', (cache: Cache) => cache.delete('key'), undefined],
    ['writeThrough', (cache: Cache) => cache.writeThrough('key', () => 'new'), 'new'],
    ['clear', (cache: Cache) => cache.clear(), undefined],
    ['deletePattern', (cache: Cache) => cache.deletePattern('*'), undefined],
    ['a forced load', (cache: Cache) => cache.getOrSet('key', () => 'new', { force: true }), 'new'],
  ] as const) {
    t.test(`${what} of one process is seen by the copies of the other (G1)`, async (t) => {
      const [one, two] = await pair(t)
      await one.cache.set('key', 'old')
      await pollUntil('a copy', () => has(site, two.cache, 'old'))
      await change(one.cache)
      t.equal(await one.cache.get('key'), after, 'at once in its own')
      await pollUntil('the other one to see it', async () => (await two.cache.get('key')) === after)
      t.equal(two.cache.peek('key') ?? after, after)
    })

    t.test(`${what} of one process during a load of the other: the old value is stored nowhere (G1)`, async (t) => {
      const [one, two] = await pair(t)
      const [old, fresh] = [new Gate<string>(), new Gate<string>()]
      const before = two.cache.getOrSet('key', old.load)
      await old.begun()
      const changed = what === 'a forced load' ? undefined : change(one.cache)
      await changed
      await heard(site, two, 'key')
      const late = two.cache.getOrSet('key', fresh.load)
      await joined(two.cache, 'key')
      old.open('old')
      t.equal(await before, 'old')
      if (after === undefined || changed === undefined) {
        if (changed !== undefined) {
          await fresh.begun()
          fresh.open('new')
        }
      }
      if (changed === undefined) {
        t.equal(await late, 'old', 'a forced load has not begun yet, so nothing has changed')
        return
      }
      t.equal(await late, 'new')
      t.equal(await one.cache.get('key'), 'new')
      t.equal(await two.cache.get('key'), 'new')
    })
  }

  t.test('a process waits for the load of another one and gets its value (G2)', async (t) => {
    const [one, two] = await pair(t)
    const gate = new Gate<string>()
    const loading = one.cache.getOrSet('key', gate.load)
    await gate.begun()
    const load = counter('loaded twice')
    const waiting = Array.from({ length: 20 }, () => two.cache.entry('key', load))
    const many = two.cache.getMany(['key', 'other'], (keys) => keys.map((key) => `loaded ${key}`))
    await joined(two.cache, 'key')
    gate.open('value')
    t.equal(await loading, 'value')
    for (const entry of await Promise.all(waiting)) {
      t.equal(entry.value, 'value')
      t.ok(['coalesced', 'hit'].includes(entry.state), entry.state)
    }
    t.strictSame(await many, ['value', 'loaded other'])
    t.equal(load.calls, 0)
  })

  for (const [what, end] of [
    ['fails', (gate: Gate<string>) => gate.fail(new Error('no database'))],
    ['declines to cache', (gate: Gate<string>) => gate.open('skipped')],
  ] as const) {
    t.test(`when the load of one process ${what}, one of those that wait for it elsewhere loads`, async (t) => {
      const [one, two] = await pair(t)
      const gate = new Gate<string>()
      const loading = one.cache
        .getOrSet('key', ({ skip }) => {
          skip()
          return gate.load()
        })
        .catch((error: Error) => error.message)
      await gate.begun()
      const load = counter('loaded by the other')
      const waiting = Array.from({ length: 20 }, () => two.cache.getOrSet('key', load))
      await joined(two.cache, 'key')
      end(gate)
      t.match(await loading, /no database|skipped/)
      t.strictSame(await Promise.all(waiting), new Array(20).fill('loaded by the other'))
      t.equal(load.calls, 1)
    })
  }

  t.test('a stale entry is refreshed by one process at a time', async (t) => {
    const [one, two] = await pair(t)
    await one.cache.set('key', 'stale', { staleWhileRevalidate: '1h' })
    await one.cache.expire('key')
    for (const { cache } of [one, two]) {
      await pollUntil('it to be stale', async () => (await cache.entry('key')).state === 'stale')
    }
    const gate = new Gate<string>()
    t.equal(await one.cache.getOrSet('key', gate.load), 'stale')
    await gate.begun()
    const load = counter('refreshed twice')
    for (let i = 0; i < 10; i++) {
      t.equal(await two.cache.getOrSet('key', load), 'stale')
      await joined(two.cache, 'key')
    }
    t.equal(load.calls, 0)
    gate.open('new')
    for (const { cache } of [one, two]) await pollUntil('it', async () => (await cache.get('key')) === 'new')
  })

  t.test('who waits for another process is held to his own timeout and signal', async (t) => {
    const [one, two] = await pair(t)
    const gate = new Gate<string>()
    const loading = one.cache.getOrSet('key', gate.load)
    await gate.begun()
    await t.rejects(two.cache.getOrSet('key', gate.load, { timeout: 30 }), { code: 'LARDER_CACHE_LOAD_TIMEOUT' })
    const controller = new AbortController()
    const leaving = two.cache.getOrSet('key', gate.load, { signal: controller.signal })
    await joined(two.cache, 'key')
    controller.abort(new Error('left'))
    await t.rejects(leaving, { message: 'left' })
    gate.open('value')
    t.equal(await loading, 'value')
    t.equal(gate.calls, 1)
  })

  // The database does A then B or B then A; the commits end in either order.
  for (const order of ['the first', 'the second'] as const) {
    t.test(`a reader between two overlapping write-throughs keeps nothing when ${order} ends first (G4)`, async (t) => {
      const [one, two] = await pair(t)
      const [a, b, read] = [new Gate<string>(), new Gate<string>(), new Gate<string>()]
      const first = one.cache.writeThrough('key', a.load)
      await a.begun()
      const second = two.cache.writeThrough('key', b.load)
      await b.begun()
      if (order === 'the first') {
        a.open('A')
        await first
      } else {
        b.open('B')
        await second
      }
      // The other write is still under way: what is read now may be the loser.
      const reader = one.cache.getOrSet('key', read.load)
      if (order === 'the first') {
        await read.begun()
        b.open('B')
        await second
        read.open('the loser')
        t.equal(await reader, 'the loser')
      } else {
        t.equal(await reader, 'B', 'the last one to begin is kept until the other one ends')
        a.open('A')
        await first
      }
      for (const { cache } of [one, two]) await pollUntil('nothing', async () => !(await cache.has('key')))
    })
  }

  t.test('a process that is registered twice for one namespace sees its own changes at once', async (t) => {
    const one = await site.open(t)
    const { cache } = one
    await cache.set('key', 'old')
    const child = cache.namespace('child')
    await child.set('key', 'old')
    await cache.delete('child:key')
    t.equal(child.peek('key'), undefined)
    t.equal(await child.get('key'), undefined)
  })
}

/** How long the right to load lasts. */
function leases(t: Test, site: Site): void {
  t.test('a lease is renewed while its load runs', async (t) => {
    const lease = 300
    const one = await site.open(t, { lease })
    const two = await site.open(t, { namespace: one.namespace, lease })
    const gate = new Gate<string>()
    const loading = one.cache.getOrSet('key', gate.load)
    await gate.begun()
    const load = counter('loaded twice')
    const waiting = two.cache.getOrSet('key', load)
    let renewals = 0
    let last = 0
    await pollUntil('renewals beyond the limit', async () => {
      const left = Number(await cli(site, 'PTTL', entryKey(one, 'key')))
      if (left > last) renewals++
      last = left
      return renewals > 6
    })
    gate.open('value')
    t.equal(await loading, 'value')
    t.equal(await waiting, 'value')
    t.equal(load.calls, 0)
  })

  t.test('a loader that hangs does not block the others for ever', async (t) => {
    const lease = 100
    const one = await site.open(t, { lease })
    const two = await site.open(t, { namespace: one.namespace, lease })
    const gate = new Gate<string>()
    const hanging = one.cache.getOrSet('key', gate.load)
    await gate.begun()
    t.equal(await two.cache.getOrSet('key', () => 'loaded by the other'), 'loaded by the other')
    gate.open('late')
    t.equal(await hanging, 'late', 'its own callers asked before')
    t.equal(await two.cache.get('key'), 'loaded by the other', 'and it overwrites nothing')
  })

  t.test('a write-through whose process dies leaves the key empty when its ticket ends', async (t) => {
    const one = await site.open(t, { lease: 100 })
    await one.cache.set('key', 'old')
    // A ticket that nobody renews.
    await cli(site, 'SET', entryKey(one, 'key'), 'W1 and a token ...', 'PX', 100)
    t.equal(await one.cache.getOrSet('key', () => 'loaded'), 'loaded')
  })
}

/** Helper keys that are lost, evicted or expired (G3). */
function lost(t: Test, site: Site): void {
  const helpers = ({ namespace }: Opened): string[] => [
    `{${namespace}}:clock`,
    `{${namespace}}:t::`,
    `{${namespace}}:t::child`,
    `{${namespace}}:t:tag`,
  ]

  for (const [i, name] of ['the clock', 'the tag of the namespace', 'the tag of the child', 'a tag'].entries()) {
    for (const when of ['before', 'after'] as const) {
      t.test(`the loss of ${name} ${when} an invalidation never brings back a stale value (G3)`, async (t) => {
        const one = await site.open(t)
        const two = await site.open(t, { namespace: one.namespace })
        const child = one.cache.namespace('child')
        const helper = helpers(one)[i] as string
        const options = { tags: ['tag'] }
        await child.set('key', 'old', options)
        const lose = async (): Promise<void> => void (await cli(site, 'DEL', helper))
        if (when === 'before') await lose()
        await one.invalidateTags('tag')
        await child.clear()
        if (when === 'after') await lose()
        t.equal(await child.get('key'), undefined)
        t.equal(await two.cache.namespace('child').get('key'), undefined)
        t.equal(await child.getOrSet('key', () => 'new', options), 'new')
        t.equal(await child.get('key'), 'new', 'and the cache goes on working')
        await lose()
        await heard(site, one, 'key')
        t.ok(['new', undefined].includes(await child.get('key')), 'a lost key costs a load at most')
        await one.cache.clear()
        t.equal(await child.get('key'), undefined)
      })
    }
  }

  t.test('the loss of all helper keys during a load stores nothing that was invalidated meanwhile (G3)', async (t) => {
    const one = await site.open(t)
    const gate = new Gate<string>()
    const before = one.cache.getOrSet('key', gate.load, { tags: ['tag'] })
    await gate.begun()
    await one.invalidateTags('tag')
    for (const helper of helpers(one)) await cli(site, 'DEL', helper)
    await heard(site, one, 'key')
    gate.open('old')
    t.equal(await before, 'old')
    t.equal(await one.cache.getOrSet('key', () => 'new', { tags: ['tag'] }), 'new')
  })
}
