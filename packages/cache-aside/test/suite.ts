import { once } from 'node:events'
import type { Cache, Entry } from '@larder/cache-aside'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, counter, Gate, joined, type Site } from './setup.js'

/** Values that peers lose, and what they must come back as. */
const VALUES: readonly [name: string, value: unknown][] = [
  ['0', 0],
  ['false', false],
  ['an empty string', ''],
  ['null', null],
  ['undefined', undefined],
  ['a Buffer', Buffer.from([0, 255, 13, 10, 128])],
  ['an empty Buffer', Buffer.alloc(0)],
  ['a Uint8Array', new Uint8Array([1, 2, 254])],
  ['text beyond Latin', 'žluťoučký 🐎 \u0000 \u2028'],
  ['a tree', { list: [1, [2, null]], nested: { empty: {}, '': 'x', __proto__own: 1 } }],
]

/** What a cache does wherever it keeps its entries. */
export function behaves(t: Test, site: Site): void {
  reading(t, site)
  values(t, site)
  writing(t, site)
  many(t, site)
  removing(t, site)
  namespaces(t, site)
  wrapping(t, site)
  loading(t, site)
  staleness(t, site)
  timeouts(t, site)
  tagging(t, site)
}

function reading(t: Test, site: Site): void {
  t.test('an absent key is loaded once, and later calls are answered without loading', async (t) => {
    const { cache } = await site.open(t)
    const load = counter({ name: 'pear' })
    t.same(await cache.getOrSet('key', load), { name: 'pear' })
    t.same(await cache.getOrSet('key', load), { name: 'pear' })
    t.same(await cache.getOrSet(['key'], load), { name: 'pear' })
    t.equal(load.calls, 1)
  })

  t.test('callers who ask together share one load', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const answers = Array.from({ length: 50 }, () => cache.getOrSet('key', gate.load))
    await gate.begun()
    answers.push(cache.getOrSet('key', gate.load))
    gate.open('value')
    t.strictSame(await Promise.all(answers), new Array(51).fill('value'))
    t.equal(gate.calls, 1)
  })

  t.test('an entry says how it was answered, its age, what is left of it, and its tags', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<number>()
    const options = { ttl: '1m', tags: ['a', 'b', ':odd', '\\odder'] }
    const first = cache.entry('key', gate.load, options)
    await gate.begun()
    const second = cache.entry('key', gate.load, options)
    gate.open(1)
    t.equal((await first).state, 'miss')
    t.ok(['coalesced', ...(site.shared ? ['hit'] : [])].includes((await second).state))
    const hit = await cache.entry('key', gate.load, options)
    t.equal(hit.state, 'hit')
    t.equal(hit.value, 1)
    t.strictSame([...hit.tags].sort(), [':odd', '\\odder', 'a', 'b'])
    t.ok(hit.age >= 0 && hit.age < 10_000, `the age is ${hit.age} ms`)
    t.ok(hit.ttl > 50_000 && hit.ttl <= 60_000, `${hit.ttl} ms are left of a minute`)
    t.ok(Math.abs(hit.createdAt - Date.now()) < 10_000, 'it was created just now')
    t.ok(Math.abs(hit.age + hit.ttl - 60_000) < 5, 'age and rest make the whole')
    t.equal((await cache.entry('key')).state, 'hit', 'also without a loader')
    t.same(await cache.entry('none'), { value: undefined, state: 'miss', age: 0, ttl: 0, tags: [], createdAt: 0 })
  })

  t.test('get, has and peek tell what is there and load nothing', async (t) => {
    const { cache } = await site.open(t)
    t.equal(await cache.get('key'), undefined)
    t.equal(await cache.has('key'), false)
    t.equal(cache.peek('key'), undefined)
    await cache.getOrSet('key', () => 'value')
    t.equal(await cache.get('key'), 'value')
    t.equal(await cache.has('key'), true)
    await pollUntil('a copy', async () => (await cache.get('key')) === cache.peek('key') || !site.memory)
    t.equal(cache.peek('key'), site.memory ? 'value' : undefined)
  })

  t.test('array keys are what their parts are, in any order of properties', async (t) => {
    const { cache } = await site.open(t)
    await cache.set(['product', 42], 'product')
    t.equal(await cache.get('product:42'), 'product', 'numbers and strings read alike, joined by a colon')
    await cache.set(['search', { q: 'tea', page: 2 }], 'search')
    t.equal(await cache.get(['search', { page: 2, q: 'tea' }]), 'search')
    const distinct = [
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['a%3Ab', 'c'],
      ['k', null],
      ['k', 'null'],
      ['k', '~null'],
      ['k', undefined],
      ['k', true],
      ['k', 'true'],
      ['k', ['1']],
      ['k', [1]],
      ['k', {}],
      ['k', { a: 1 }],
      ['k', { a: '1' }],
      ['k', '{}'],
      ['k', ''],
      ['k', 1n],
      ['k', [1n]],
      ['k', new Date(0)],
      ['k', new Date(0).toJSON()],
      ['k', new URL('http://a.example')],
      ['k', new URL('http://b.example')],
    ]
    for (const [i, key] of distinct.entries()) await cache.set(key, i)
    // 1n and '1' read alike, as all numbers do; none of the others is another one's key.
    t.strictSame(
      await cache.getMany(distinct),
      distinct.map((_, i) => i),
    )
  })

  t.test('keys of any length and of any characters lead to their own entry only', async (t) => {
    const { cache } = await site.open(t)
    const long = 'x'.repeat(10 * 1024 * 1024)
    const keys = [
      long,
      `${long}y`,
      'a}b',
      'a%7Db',
      '{a}',
      '}',
      '\0',
      '\0#',
      ' ',
      '\ud800',
      '\ud801',
      '\ufffd',
      'é'.repeat(100),
      'é'.repeat(101),
      '*',
      'line\r\nbreak',
    ]
    for (const [i, key] of keys.entries()) await cache.set(key, i)
    t.strictSame(
      await cache.getMany(keys),
      keys.map((_, i) => i),
    )
    await cache.delete(long)
    t.equal(await cache.get(long), undefined)
    t.equal(await cache.get(`${long}y`), 1)
  })
}

function values(t: Test, site: Site): void {
  for (const [name, value] of VALUES) {
    t.test(`${name} comes back as what it was, on a miss and on a hit (G5)`, async (t) => {
      const { cache, namespace } = await site.open(t)
      const other = site.shared ? (await site.open(t, { namespace })).cache : cache
      const load = counter<unknown>(value)
      for (const one of [cache, cache, other, other]) {
        const answer = await one.getOrSet('loaded', load)
        t.strictSame(answer, value)
        t.equal(Buffer.isBuffer(answer), Buffer.isBuffer(value))
      }
      t.equal(load.calls, 1, 'it was kept')
      await cache.set('set', value)
      t.strictSame(await other.get('set'), value)
      t.equal(await other.has('set'), true, 'it is there')
      t.strictSame(await other.getMany(['set', 'loaded']), [value, value])
      t.strictSame(await cache.writeThrough('written', () => value), value)
      t.strictSame(await other.get('written'), value)
    })
  }

  t.test('whatever the codec does to a value, a miss and a hit return the same (G5)', async (t) => {
    const { cache } = await site.open(t)
    const date = new Date(0)
    const load = (): unknown => ({ date, gone: undefined, map: new Map([[1, 2]]), not: Number.NaN })
    const miss = await cache.getOrSet('key', load)
    t.strictSame(miss, { date: date.toJSON(), map: {}, not: null })
    t.strictSame(await cache.getOrSet('key', load), miss)
    t.strictSame(await cache.getMany(['many'], () => [load()]), [miss])
    t.strictSame(await cache.writeThrough('written', load), miss)
  })

  t.test('no caller can change what another one gets (G5)', async (t) => {
    const { cache } = await site.open(t)
    const own = { list: [1, 2], bytes: 0 }
    const load = (): typeof own => own
    const miss = await cache.getOrSet('key', load)
    own.list.push(3)
    const [hit] = await cache.getMany<typeof own>(['key'])
    if (site.memory) {
      t.throws(() => miss.list.push(4), TypeError, 'one frozen value for all')
      t.throws(() => Object.assign(hit ?? {}, { bytes: 1 }), TypeError)
    } else {
      miss.list.push(4)
      hit?.list.push(5)
    }
    t.strictSame(await cache.get('key'), { list: [1, 2], bytes: 0 })
    const buffer = Buffer.from('value')
    await cache.set('buffer', buffer)
    buffer.fill(0)
    for (let i = 0; i < 3; i++) {
      const got = (await cache.get('buffer')) as Buffer
      t.equal(got.toString(), 'value')
      got.fill(0)
    }
  })

  t.test('clone: true gives a copy of one’s own, by default there is one frozen value for all', async (t) => {
    const { cache } = await site.open(t)
    const load = (): { list: number[] } => ({ list: [1] })
    t.equal(Object.isFrozen(await cache.getOrSet('key', load)), site.memory)
    for (let i = 0; i < 3; i++) {
      const own = await cache.getOrSet('key', load, { clone: true })
      own.list.push(2)
      t.strictSame(own, { list: [1, 2] })
      const [many] = await cache.getMany<{ list: number[] }>(['key'], undefined, { clone: true })
      many?.list.push(3)
      t.strictSame(await cache.get('key'), { list: [1] })
    }
    const child = cache.namespace('child', { clone: true })
    const missed = await child.getOrSet('key', load)
    missed.list.push(5)
    t.strictSame(await child.get('key'), { list: [1] }, 'as the default of a child, and on a miss')
  })

  t.test('a codec of one’s own with values that freezing does not protect serves each caller his own', async (t) => {
    const codec = {
      id: 'dates',
      freezable: false,
      encode: (value: unknown) => JSON.stringify([...(value as Map<string, Date>)]),
      decode: (bytes: Buffer) =>
        new Map((JSON.parse(bytes.toString()) as [string, string][]).map(([key, date]) => [key, new Date(date)])),
    }
    const { cache } = await site.open(t, { codec })
    const load = counter(() => new Map([['day', new Date(0)]]))
    for (let i = 0; i < 3; i++) {
      const map = await cache.getOrSet('key', load)
      t.equal(map.get('day')?.getTime(), 0)
      map.get('day')?.setTime(1)
      map.clear()
    }
    const peeked = cache.peek<Map<string, Date>>('key')
    peeked?.clear()
    t.equal((await cache.get<Map<string, Date>>('key'))?.size, 1)
    t.equal(load.calls, 1)
  })

  t.test('a value that claims to be freezable and is not is protected all the same', async (t) => {
    const codec = {
      id: 'liar',
      freezable: true,
      encode: (value: unknown) => String((value as Date).getTime()),
      decode: (bytes: Buffer) => ({ date: new Date(Number(bytes.toString())) }),
    }
    const { cache } = await site.open(t, { codec })
    await cache.set('key', new Date(7))
    for (let i = 0; i < 3; i++) {
      const { date } = (await cache.get('key')) as { date: Date }
      t.equal(date.getTime(), 7)
      date.setTime(0)
    }
  })

  t.test('the entries of another codec and of another version are a miss', async (t) => {
    const { cache, namespace } = await site.open(t)
    const other = { id: 'other', freezable: true, encode: () => 'x', decode: () => 'decoded' }
    await cache.set('key', 'value')
    const [coded, versioned, same] = [
      await site.open(t, { namespace, codec: other }),
      await site.open(t, { namespace, version: 'v2' }),
      await site.open(t, { namespace, version: 'v2' }),
    ]
    t.equal(await coded.cache.get('key'), undefined)
    t.equal(await versioned.cache.get('key'), undefined)
    await versioned.cache.set('key', 'newer')
    t.equal(await cache.get('key'), 'value', 'versions do not disturb each other')
    if (site.shared) t.equal(await same.cache.get('key'), 'newer')
    t.equal(await coded.cache.getOrSet('key', () => 'any'), 'decoded')
    t.equal(await coded.cache.get('key'), 'decoded', 'and it can be stored over')
  })

  t.test('compressAbove compresses what is larger, and what was compressed can be read without it', async (t) => {
    const { cache, namespace } = await site.open(t, { compressAbove: '1kb' })
    const text = 'larder '.repeat(10_000)
    const bytes = Buffer.from(text)
    await cache.set('large', text)
    await cache.set('bytes', bytes)
    await cache.set('small', 'small')
    const { cache: reader } = await site.open(t, { namespace })
    for (const one of site.shared ? [cache, reader] : [cache]) {
      t.equal(await one.get('large'), text)
      t.strictSame(await one.get('bytes'), bytes)
      t.equal(await one.get('small'), 'small')
    }
    if (!site.shared) return
    const size = async (key: string): Promise<number> => {
      const name = `${namespace}:v:{${key}}`
      return (await site.node(name)).cli('STRLEN', name)
    }
    t.ok((await size('large')) < text.length / 10, 'it takes less room')
    await reader.set('plain', text)
    t.ok((await size('plain')) > text.length, 'by default nothing is compressed')
  })

  t.test('a value over maxValueBytes is returned and not kept, and refused by set and writeThrough', async (t) => {
    const { cache } = await site.open(t, { maxValueBytes: '1kb', compressAbove: 100 })
    const large = 'x'.repeat(1025)
    const load = counter(large)
    t.equal(await cache.getOrSet('key', load), large)
    t.equal(await cache.getOrSet('key', load), large)
    t.equal(load.calls, 2, 'not kept, also when it would be small compressed')
    t.strictSame(await cache.getMany(['a', 'b'], () => [large, 'b']), [large, 'b'])
    t.strictSame(await cache.getMany(['a', 'b']), [undefined, 'b'])
    await cache.set('key', 'before')
    t.equal(await codeOf(cache.set('key', large)), 'LARDER_CACHE_VALUE_TOO_LARGE')
    t.equal(await cache.get('key'), 'before', 'set changed nothing')
    t.equal(await codeOf(cache.writeThrough('key', () => large)), 'LARDER_CACHE_VALUE_TOO_LARGE')
    t.equal(await cache.get('key'), undefined, 'the database has another value, the cache none')
    const most = 'x'.repeat(1022)
    await cache.set('most', most)
    t.equal(await cache.get('most'), most, 'with its quotes just as much as is allowed')
  })

  t.test('a value that cannot be encoded rejects with a coded error, is not kept and harms nothing', async (t) => {
    const { cache } = await site.open(t)
    const circular: Record<string, unknown> = {}
    circular.self = circular
    let deep: unknown = 'bottom'
    for (let i = 0; i < 100_000; i++) deep = [deep]
    for (const value of [circular, { big: 1n }, () => 1, Symbol('x'), deep]) {
      t.equal(await codeOf(cache.getOrSet('key', () => value)), 'LARDER_CACHE_NOT_SERIALIZABLE')
      t.equal(await codeOf(cache.set('key', value)), 'LARDER_CACHE_NOT_SERIALIZABLE')
      t.equal(await codeOf(cache.writeThrough('key', () => value)), 'LARDER_CACHE_NOT_SERIALIZABLE')
      t.equal(await codeOf(cache.getMany(['key'], () => [value])), 'LARDER_CACHE_NOT_SERIALIZABLE')
    }
    t.equal(await cache.getOrSet('key', () => 'fine'), 'fine')
    await t.rejects(cache.set('key', circular), { cause: { message: /circular/i } }, 'with the cause')
    t.equal(await cache.get('key'), 'fine')
  })

  t.test('a 10 MB value is kept when maxValueBytes allows it', async (t) => {
    const { cache } = await site.open(t, { maxValueBytes: '16mb', deadline: '5s' })
    const large = 'x'.repeat(10 * 1024 * 1024)
    await cache.set('key', large)
    t.ok((await cache.get('key')) === large)
  })

  t.test('a value nested as deep as the codec allows comes back, or is refused with a coded error', async (t) => {
    const { cache } = await site.open(t)
    for (const depth of [500, 2_000, 4_000, 6_000, 8_000]) {
      let deep: unknown = 'bottom'
      for (let i = 0; i < depth; i++) deep = [deep]
      const load = async (): Promise<unknown> => deep
      try {
        const got = await cache.getOrSet(`key ${depth}`, load)
        t.equal(depthOf(got), depth)
      } catch (error) {
        t.equal((error as { code?: string }).code, 'LARDER_CACHE_NOT_SERIALIZABLE', `at a depth of ${depth}`)
      }
    }
  })

  t.test('a schema turns a mismatch into a miss, and gives back what it makes of a value', async (t) => {
    const { cache } = await site.open(t)
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: async (value: unknown) => {
          const { id } = value as { id?: unknown }
          return typeof id === 'number' ? { value: { id, checked: true } } : { issues: [{ message: 'no id' }] }
        },
      },
    }
    await cache.set('key', { id: 'forty-two' })
    t.equal(await cache.get('key', { schema }), undefined)
    t.equal(await cache.has('key'), true, 'without the schema it is there')
    const load = counter({ id: 42 } as { id: number; checked?: boolean })
    for (let i = 0; i < 3; i++) {
      t.strictSame(await cache.getOrSet('key', load, { schema }), { id: 42, checked: true })
    }
    t.equal(load.calls, 1, 'what was loaded replaced it')
    t.strictSame(await cache.get('key'), { id: 42 })
    t.strictSame(await cache.getMany(['key'], undefined, { schema }), [{ id: 42, checked: true }])
    const wrong = counter({ id: 'no' } as never)
    for (let i = 0; i < 2; i++) t.strictSame(await cache.getOrSet('wrong', wrong, { schema }), { id: 'no' })
    t.equal(wrong.calls, 2, 'a loaded value that does not match is returned, and not kept')
    const own = await cache.getOrSet('key', load, { schema })
    t.equal(Object.isFrozen(own), site.memory, 'what the schema made is frozen as well')
    const broken = { '~standard': { version: 1 as const, vendor: 'test', validate: () => Promise.reject(new Error()) } }
    t.equal(await cache.get('key', { schema: broken }), undefined, 'a schema that throws matches nothing')
  })
}

function depthOf(value: unknown): number {
  let depth = 0
  for (let one = value; Array.isArray(one); one = one[0]) depth++
  return depth
}

function writing(t: Test, site: Site): void {
  t.test('set replaces what was there, and lives for its own ttl', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 1)
    t.equal(await cache.get('key'), 1)
    await cache.set('key', 2, { ttl: '1h', tags: ['tag'] })
    const entry = await cache.entry('key')
    t.equal(entry.value, 2)
    t.ok(entry.ttl > 3_500_000 && entry.ttl <= 3_600_000)
    t.strictSame(entry.tags, ['tag'])
    await cache.set('key', 3, { ttl: 10 })
    await pollUntil('its end', async () => !(await cache.has('key')))
    t.equal(cache.peek('key'), undefined)
  })

  t.test('writeThrough writes to the database first, and the cache has what it returned', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old')
    const gate = new Gate<string>()
    const written = cache.writeThrough('key', gate.load)
    await gate.begun()
    const load = counter('loaded')
    const reader = cache.getOrSet('key', load)
    gate.open('new')
    t.equal(await written, 'new')
    t.equal(await reader, 'new', 'a reader waits for the write as for a load')
    t.equal(await cache.get('key'), 'new')
    t.equal(load.calls, 0)
    await cache.writeThrough('key', ({ addTags, setTtl, signal }) => {
      addTags('tag')
      setTtl('1h')
      return `${signal.aborted}`
    })
    const entry = await cache.entry('key')
    t.equal(entry.value, 'false')
    t.strictSame(entry.tags, ['tag'])
    t.ok(entry.ttl > 3_500_000)
    await cache.writeThrough('key', ({ skip }) => skip())
    t.equal(await cache.has('key'), false, 'a write may decline to be cached')
  })

  t.test('a failed writeThrough rejects with its error and leaves the key empty', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old')
    const error = new Error('the database says no')
    await t.rejects(
      cache.writeThrough('key', () => Promise.reject(error)),
      error,
    )
    t.equal(await cache.get('key'), undefined)
    await cache.set('key', 'old')
    await t.rejects(
      cache.writeThrough('key', () => {
        throw error
      }),
      error,
    )
    t.equal(await cache.get('key'), undefined)
  })

  // The database does A then B or B then A; the commits end in either order. Whatever is kept must not be the loser.
  for (const order of ['the first', 'the second'] as const) {
    t.test(`of two overlapping write-throughs neither leaves its value when ${order} ends first (G4)`, async (t) => {
      const { cache, namespace } = await site.open(t)
      const other = site.shared ? (await site.open(t, { namespace })).cache : cache
      const [a, b] = [new Gate<string>(), new Gate<string>()]
      const first = cache.writeThrough('key', a.load)
      await a.begun()
      const second = other.writeThrough('key', b.load)
      await b.begun()
      if (order === 'the first') {
        a.open('A')
        t.equal(await first, 'A')
        b.open('B')
        t.equal(await second, 'B')
      } else {
        b.open('B')
        t.equal(await second, 'B')
        a.open('A')
        t.equal(await first, 'A')
      }
      // In this process at once; in the other one as soon as its feed told it.
      await pollUntil('both to see none', async () => !(await cache.has('key')) && !(await other.has('key')))
      t.equal(await cache.getOrSet('key', () => 'what the database has'), 'what the database has')
    })
  }

  t.test('of three overlapping write-throughs none leaves its value, and a later one does (G4)', async (t) => {
    const { cache } = await site.open(t)
    const gates = Array.from({ length: 3 }, () => new Gate<number>())
    const writes: Promise<number>[] = []
    for (const gate of gates) {
      writes.push(cache.writeThrough('key', gate.load))
      await gate.begun()
    }
    for (const i of [1, 0, 2]) gates[i]?.open(i)
    await Promise.all(writes)
    t.equal(await cache.get('key'), undefined)
    await cache.writeThrough('key', () => 4)
    t.equal(await cache.get('key'), 4)
  })

  for (const [what, change] of [
    ['delete', (cache: Cache) => cache.delete('key')],
    ['set', (cache: Cache) => cache.set('key', 'set')],
    ['clear', (cache: Cache) => cache.clear()],
    ['deletePattern', (cache: Cache) => cache.deletePattern('k*')],
    ['expire', (cache: Cache) => cache.expire('key')],
  ] as const) {
    t.test(`a ${what} during a write-through leaves the key empty (G4)`, async (t) => {
      const { cache } = await site.open(t)
      const gate = new Gate<string>()
      const writing = cache.writeThrough('key', gate.load)
      await gate.begun()
      await change(cache)
      gate.open('written')
      t.equal(await writing, 'written')
      t.equal(await cache.get('key'), undefined)
    })
  }

  t.test('a load that began before a write-through is kept nowhere (G4)', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const reader = cache.getOrSet('key', gate.load)
    await gate.begun()
    t.equal(await cache.writeThrough('key', () => 'new'), 'new')
    gate.open('old')
    t.equal(await reader, 'old', 'its caller asked before')
    t.equal(await cache.get('key'), 'new')
  })
}

function many(t: Test, site: Site): void {
  t.test(
    'getMany answers in the order of the keys, duplicates too, and loads the missing ones by one call',
    async (t) => {
      const { cache } = await site.open(t)
      await cache.set('b', 'cached b')
      const asked: unknown[] = []
      const load = (keys: unknown[]): string[] => {
        asked.push(keys)
        return keys.map((key) => `loaded ${key}`)
      }
      t.strictSame(await cache.getMany(['a', 'b', 'a', ['c', 1], 'b'], load), [
        'loaded a',
        'cached b',
        'loaded a',
        'loaded c,1',
        'cached b',
      ])
      t.strictSame(asked, [['a', ['c', 1]]])
      t.strictSame(await cache.getMany(['c:1', 'a', 'b'], load), ['loaded c,1', 'loaded a', 'cached b'])
      t.equal(asked.length, 1)
      t.strictSame(await cache.getMany([], load), [])
    },
  )

  t.test('getMany without a loader answers undefined where there is nothing', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('a', 0)
    await cache.set('n', null)
    t.strictSame(await cache.getMany(['a', 'b', 'n', 'b']), [0, undefined, null, undefined])
  })

  t.test('getMany of 500 keys loads those that are missing, whatever slot they are in', async (t) => {
    const { cache } = await site.open(t)
    const keys = Array.from({ length: 500 }, (_, i) => ['item', i])
    for (let i = 0; i < 500; i += 50) await cache.set(['item', i], i)
    const sizes: number[] = []
    const load = (missing: unknown[]): number[] => {
      sizes.push(missing.length)
      return missing.map((key) => (key as number[])[1] as number)
    }
    const all = keys.map((_, i) => i)
    t.strictSame(await cache.getMany(keys, load), all)
    t.strictSame(sizes, [490])
    t.strictSame(await cache.getMany(keys, load), all)
    t.strictSame(sizes, [490])
  })

  t.test('getMany joins the loads under way, and getOrSet those of getMany', async (t) => {
    const { cache } = await site.open(t)
    const [single, batch] = [new Gate<string>(), new Gate<string[]>()]
    const one = cache.getOrSet('a', single.load)
    await single.begun()
    const asked: unknown[] = []
    const both = cache.getMany<string>(['a', 'b'], (keys) => {
      asked.push(...keys)
      return batch.load()
    })
    await batch.begun()
    const late = cache.getOrSet('b', () => 'loaded twice')
    single.open('A')
    batch.open(['B'])
    t.strictSame(await both, ['A', 'B'])
    t.equal(await one, 'A')
    t.equal(await late, 'B')
    t.strictSame(asked, ['b'])
  })

  t.test('two getMany with crossed keys load what they were granted before they wait (G2)', async (t) => {
    const { cache, namespace } = await site.open(t)
    const other = site.shared ? (await site.open(t, { namespace })).cache : cache
    const loads = new Map<unknown, number>()
    const load = async (keys: unknown[]): Promise<unknown[]> => {
      for (const key of keys) loads.set(key, (loads.get(key) ?? 0) + 1)
      return keys
    }
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`)
    const [there, back] = await Promise.all([cache.getMany(keys, load), other.getMany([...keys].reverse(), load)])
    t.strictSame(there, keys)
    t.strictSame(back, [...keys].reverse())
    t.strictSame([...loads.values()], new Array(20).fill(1), 'each key was loaded once')
  })

  t.test('a failing batch loader rejects getMany with its error, and nothing is cached (G6)', async (t) => {
    const { cache } = await site.open(t)
    const error = new Error('no database')
    let calls = 0
    const fail = (): never => {
      calls++
      throw error
    }
    await t.rejects(cache.getMany(['a', 'b'], fail), error)
    t.equal(calls, 1)
    t.strictSame(await cache.getMany(['a', 'b'], (keys) => keys), ['a', 'b'])
  })

  t.test('a batch loader that answers with something else than a value for each key is a coded error', async (t) => {
    const { cache } = await site.open(t)
    for (const answer of [['a'], ['a', 'b', 'c'], undefined, { a: 1 }, 'ab']) {
      t.equal(await codeOf(cache.getMany(['a', 'b'], () => answer as never)), 'LARDER_CACHE_LOAD_MANY')
    }
    t.strictSame(await cache.getMany(['a', 'b']), [undefined, undefined])
  })

  t.test('getMany takes the options of a call', async (t) => {
    const { cache } = await site.open(t)
    await cache.getMany(['a', 'b'], (keys) => keys, { ttl: '1h', tags: (value) => [`tag ${value}`] })
    const entry = await cache.entry('b')
    t.ok(entry.ttl > 3_500_000)
    t.strictSame(entry.tags, ['tag b'])
    t.strictSame(await cache.getMany(['a', 'b'], (keys) => keys.map(() => 'forced'), { force: true }), [
      'forced',
      'forced',
    ])
    const reason = new Error('gone')
    await t.rejects(
      cache.getMany(['a'], () => ['a'], { signal: AbortSignal.abort(reason) }),
      reason,
    )
  })
}

function removing(t: Test, site: Site): void {
  t.test('delete empties entries, any number of them, also those that are not there', async (t) => {
    const { cache } = await site.open(t)
    for (const key of ['a', 'b', 'c']) await cache.set(key, key)
    await cache.delete('a', ['b'], 'nothing')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), [undefined, undefined, 'c'])
    t.equal(cache.peek('a'), undefined)
    await cache.delete()
  })

  t.test('expire makes an entry stale: it is served while one caller loads it anew', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old')
    await cache.expire('key', 'nothing')
    const gate = new Gate<string>()
    const entry = await cache.entry('key', gate.load)
    t.equal(entry.state, 'stale')
    t.equal(entry.value, 'old')
    t.ok(entry.ttl < 0)
    await gate.begun()
    t.equal(await cache.getOrSet('key', gate.load), 'old')
    gate.open('new')
    await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
    t.equal(gate.calls, 1)
    t.equal((await cache.entry('key')).state, 'hit')
    t.equal(await cache.has('nothing'), false)
  })

  t.test('deletePattern empties what matches: * is anything, ? one character, everything else itself', async (t) => {
    const { cache } = await site.open(t)
    const cases: [pattern: string, gone: string[], kept: string[]][] = [
      [
        'user:1:*',
        ['user:1:', 'user:1:a', 'user:1:a:b', 'user:1:}{'],
        ['user:10:a', 'user:1', 'xuser:1:a', 'user:11:'],
      ],
      ['id?', ['id1', 'idé', 'id🐎', 'id}', 'id%', 'id\n'], ['id', 'id12', 'id%7D']],
      ['[ab]^\\.+$|(x)*', ['[ab]^\\.+$|(x)', '[ab]^\\.+$|(x)y'], ['a', 'b^\\.+$|(x)', '[ab]^\\.+$|x']],
      ['a%7D*', ['a%7D', 'a%7D}'], ['a}', 'a}}']],
      ['*middle*', ['middle', 'in the middle of it'], ['midle', 'Middle']],
      ['plain', ['plain'], ['plain:1', 'plains']],
    ]
    for (const [pattern, gone, kept] of cases) {
      for (const key of [...gone, ...kept]) await cache.set(key, key)
      t.equal(await cache.deletePattern(pattern), gone.length, `${pattern} says how many it emptied`)
      t.strictSame(
        await cache.getMany(gone),
        gone.map(() => undefined),
        `${pattern} empties what matches`,
      )
      t.strictSame(await cache.getMany(kept), kept, `${pattern} leaves what does not`)
      await cache.delete(...kept)
    }
    t.equal(await cache.deletePattern('nothing*'), 0)
  })

  t.test('deletePattern empties more entries than one SCAN finds, on every master', async (t) => {
    const { cache } = await site.open(t)
    const keys = Array.from({ length: 1_200 }, (_, i) => `user:42:${i}`)
    await cache.getMany(keys, () => keys)
    await cache.set('user:43:1', 'kept')
    t.equal(await cache.deletePattern('user:42:*'), 1_200)
    t.ok((await cache.getMany(keys)).every((value) => value === undefined))
    t.equal(await cache.get('user:43:1'), 'kept')
  })

  t.test('a pattern with many stars is matched in time', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('a'.repeat(190), 1)
    t.equal(await cache.deletePattern(`${'*a'.repeat(40)}b`), 0)
    t.equal(await cache.deletePattern('*a'.repeat(40)), 1)
  })

  t.test('clear empties everything of this namespace in all versions, and nothing of another one', async (t) => {
    const { cache, namespace } = await site.open(t)
    const foreign = await site.open(t)
    const versioned = site.shared ? (await site.open(t, { namespace, version: 'v2' })).cache : cache
    const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`)
    await cache.getMany(keys, () => keys)
    await cache.set('x'.repeat(1000), 'long')
    await versioned.set('versioned', 1)
    await foreign.cache.set('key 1', 'kept')
    await cache.clear()
    t.ok((await cache.getMany([...keys, 'x'.repeat(1000)])).every((value) => value === undefined))
    await pollUntil('the other version to hear of it', async () => (await versioned.get('versioned')) === undefined)
    t.equal(await foreign.cache.get('key 1'), 'kept')
    t.equal(await cache.getOrSet('key 1', () => 'new'), 'new', 'it can be filled again')
    t.equal(await cache.get('key 1'), 'new')
  })

  for (const [what, change] of [
    ['delete', (cache: Cache) => cache.delete('key')],
    ['deletePattern', (cache: Cache) => cache.deletePattern('ke?')],
    ['clear', (cache: Cache) => cache.clear()],
    ['expire', (cache: Cache) => cache.expire('key')],
    ['set', (cache: Cache) => cache.set('key', 'set')],
  ] as const) {
    t.test(`a ${what} during a load: the old value goes to its callers only, and into no cache (G1)`, async (t) => {
      const { cache } = await site.open(t)
      const [old, fresh] = [new Gate<string>(), new Gate<string>()]
      const before = cache.getOrSet('key', old.load)
      await old.begun()
      await change(cache)
      const late = cache.getOrSet('key', fresh.load)
      // After a clear the old load still has the lease of its key, and is waited for.
      if (what === 'clear') old.open('old')
      if (what !== 'set') {
        await fresh.begun()
        fresh.open('new')
      }
      t.equal(await late, what === 'set' ? 'set' : 'new', 'a later caller does not get it')
      if (what !== 'clear') old.open('old')
      t.equal(await before, 'old', 'who asked before does')
      t.equal(await cache.get('key'), what === 'set' ? 'set' : 'new')
    })

    t.test(`a ${what} while a load's value is on its way is not outlived by it (G1)`, async (t) => {
      const { cache } = await site.open(t)
      const old = new Gate<string>()
      const before = cache.getOrSet('key', old.load)
      await old.begun()
      old.open('old')
      const changed = change(cache)
      await Promise.all([before, changed])
      t.not(await cache.get('key'), what === 'expire' ? 'never' : 'old')
      if (what === 'expire') t.not((await cache.entry('key')).state, 'hit')
    })
  }

  t.test('a delete during the background refresh of a stale entry: it is stored nowhere (G1)', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'stale')
    await cache.expire('key')
    const gate = new Gate<string>()
    t.equal(await cache.getOrSet('key', gate.load), 'stale')
    await gate.begun()
    await cache.delete('key')
    t.equal(await cache.get('key'), undefined)
    gate.open('old')
    t.equal(await cache.getOrSet('key', () => 'new'), 'new')
    t.equal(await cache.get('key'), 'new')
  })
}

function namespaces(t: Test, site: Site): void {
  t.test('a child namespace has a prefix, defaults and a clear of its own, and so have its children', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('catalogue', { ttl: '1h' })
    const grandchild = child.namespace('prices', { staleWhileRevalidate: '1m' })
    for (const [i, one] of [cache, child, grandchild].entries()) await one.set('key', i)
    t.strictSame(await Promise.all([cache, child, grandchild].map((one) => one.get('key'))), [0, 1, 2])
    t.ok((await child.entry('key')).ttl > 3_500_000)
    t.ok((await grandchild.entry('key')).ttl > 3_500_000, 'defaults are inherited')
    t.equal(await cache.get('catalogue:key'), 1, 'the prefix is a part of the key')
    t.equal(await cache.get(['catalogue', 'prices', 'key']), 2)
    await grandchild.clear()
    t.strictSame(await Promise.all([cache, child, grandchild].map((one) => one.get('key'))), [0, 1, undefined])
    await grandchild.set('key', 2)
    await child.clear()
    t.strictSame(await Promise.all([cache, child, grandchild].map((one) => one.get('key'))), [0, undefined, undefined])
    await child.set('key', 1)
    await cache.clear()
    t.strictSame(await Promise.all([cache, child].map((one) => one.get('key'))), [undefined, undefined])
  })

  t.test('a child’s clear also empties what was stored under its prefix by its parent (G1)', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('catalogue')
    // From now on the child knows when it was last cleared; what was stored before is nothing to it.
    await child.set('other', 1)
    await cache.set('catalogue:key', 'by the root')
    await pollUntil(
      'a copy',
      async () => (await cache.get('catalogue:key')) === cache.peek('catalogue:key') || !site.memory,
    )
    t.equal(await child.get('key'), 'by the root')
    await child.clear()
    t.equal(child.peek('key'), undefined)
    t.equal(await child.get('key'), undefined)
    t.strictSame(await child.getMany(['key']), [undefined])
    t.equal(await child.getOrSet('key', () => 'new'), 'new')
    t.equal(await child.get('key'), 'new')
    t.equal(await cache.get('catalogue:key'), 'new', 'of two parents’ values there is one')
  })

  t.test('a parent sees a child’s entry no longer once the child was cleared', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('catalogue')
    await child.set('key', 'value')
    t.equal(await cache.get('catalogue:key'), 'value')
    await child.clear()
    t.equal(await cache.get('catalogue:key'), undefined)
  })

  t.test('the same child made twice is one, and deletePattern keeps to its prefix', async (t) => {
    const { cache } = await site.open(t)
    const [one, two] = [cache.namespace('a'), cache.namespace('a')]
    const similar = cache.namespace('aa')
    for (const each of [one, similar, cache]) await each.set('key', 'value')
    t.equal(await two.get('key'), 'value')
    t.equal(await two.deletePattern('*'), 1)
    t.strictSame(await Promise.all([one, similar, cache].map((each) => each.get('key'))), [undefined, 'value', 'value'])
    await one.set('x'.repeat(500), 'long')
    t.equal(await two.get('x'.repeat(500)), 'long')
    t.equal(await similar.get('x'.repeat(500)), undefined)
    await one.set('key', 1)
    t.equal(await cache.deletePattern('a:k*'), 1, 'the parent’s pattern reaches the child')
    t.equal(await one.get('key'), undefined)
  })

  t.test('a child’s clear during a load: the old value is stored nowhere (G1)', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('child')
    const gate = new Gate<string>()
    const before = child.getOrSet('key', gate.load)
    await gate.begun()
    await child.clear()
    const late = child.getOrSet('key', () => 'new')
    gate.open('old')
    t.equal(await before, 'old')
    t.equal(await late, 'new')
    t.equal(await child.get('key'), 'new')
  })
}

function wrapping(t: Test, site: Site): void {
  type Product = { id: number; category: number; call: number }

  t.test('a wrapped function is called once for the same arguments', async (t) => {
    const { cache } = await site.open(t)
    let calls = 0
    const get = cache.wrap('product', (id: number, options: { full: boolean; at?: string }) => [
      id,
      options.full,
      ++calls,
    ])
    t.strictSame(await get(1, { full: true }), [1, true, 1])
    t.strictSame(await get(1, { full: true }), [1, true, 1])
    t.strictSame(await get(1, { full: false }), [1, false, 2])
    t.strictSame(await get(2, { full: true, at: 'x' }), [2, true, 3])
    t.strictSame(await get(2, { at: 'x', full: true }), [2, true, 3])
    const none = cache.wrap('none', () => ++calls)
    t.equal(await none(), 4)
    t.equal(await none(), 4)
    const other = cache.wrap('product:1', () => 'other')
    t.equal(await (other as unknown as (...args: unknown[]) => Promise<string>)({ full: true }), 'other')
  })

  t.test('wrap has many, invalidate, refresh, peek and key', async (t) => {
    const { cache } = await site.open(t)
    let call = 0
    const load = (id: number): Product => ({ id, category: id % 2, call: ++call })
    const get = cache.wrap('product', load, { ttl: '10m', key: (id) => id })
    t.equal((await get(42)).call, 1)
    t.strictSame(get.key(42), ['product', 42])
    t.equal((await cache.get<Product>(get.key(42)))?.call, 1)
    t.equal((await cache.get<Product>('product:42'))?.call, 1)
    t.strictSame(
      (await get.many([[1], [42], [1], [2]])).map(({ id, call }) => [id, call]),
      [
        [1, 2],
        [42, 1],
        [1, 2],
        [2, 3],
      ],
    )
    await get.invalidate(42)
    t.equal(get.peek(42), undefined)
    t.equal((await get(42)).call, 4)
    t.equal((await get.refresh(42)).call, 5)
    t.equal((await get(42)).call, 5)
    await pollUntil('a copy', async () => (await get(42)) === get.peek(42) || !site.memory)
    t.equal(get.peek(42)?.call, site.memory ? 5 : undefined)
    t.ok((await cache.entry('product:42')).ttl > 500_000)
    t.equal(get.peek(7), undefined)
  })

  t.test('wrap loads many by loadMany where it has one', async (t) => {
    const { cache } = await site.open(t)
    const batches: number[][][] = []
    const get = cache.wrap('square', (n: number) => n * n, {
      loadMany: (args) => {
        batches.push(args)
        return args.map(([n]) => n * n)
      },
    })
    t.strictSame(await get.many([[2], [3], [2]]), [4, 9, 4])
    t.equal(await get(4), 16)
    t.strictSame(await get.many([[4], [5]]), [16, 25])
    t.strictSame(batches, [[[2], [3]], [[5]]])
  })

  t.test('the tags of a wrapped function are told from value and arguments', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    let call = 0
    const get = cache.wrap('product', (id: number): Product => ({ id, category: 7, call: ++call }), {
      tags: (product, [id]) => ['products', `category:${product.category}`, `id:${id}`],
    })
    await get(1)
    await get.many([[2], [3]])
    t.strictSame([...(await cache.entry(get.key(1))).tags].sort(), ['category:7', 'id:1', 'products'])
    t.strictSame([...(await cache.entry(get.key(3))).tags].sort(), ['category:7', 'id:3', 'products'])
    await invalidateTags('id:2')
    t.strictSame(
      (await get.many([[1], [2], [3]])).map((product) => product.call),
      [1, 4, 3],
    )
    const fixed = cache.wrap('fixed', () => ++call, { tags: ['products'] })
    t.equal(await fixed(), 5)
    await invalidateTags('products')
    t.equal(await fixed(), 6)
    t.equal((await get(1)).call, 7)
  })

  t.test('the version of a wrapped function is a part of its key', async (t) => {
    const { cache } = await site.open(t)
    const [one, two] = [cache.wrap('f', () => 1, { version: '1' }), cache.wrap('f', () => 2, { version: '2' })]
    const plain = cache.wrap('f', () => 0)
    t.strictSame([await one(), await two(), await plain()], [1, 2, 0])
    t.strictSame([await one(), await two(), await plain()], [1, 2, 0])
  })

  t.test('the schema of a wrapped function checks what was cached', async (t) => {
    const { cache } = await site.open(t)
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) =>
          typeof value === 'number' ? { value } : { issues: [{ message: 'not a number' }] },
      },
    }
    const old = cache.wrap('f', (): unknown => 'one')
    await old()
    let calls = 0
    const get = cache.wrap('f', () => ++calls, { schema })
    t.equal(await get(), 1)
    t.equal(await get(), 1)
    t.strictSame(await get.many([[]]), [1])
    t.equal(calls, 1)
  })

  t.test('concurrent calls of a wrapped function share one load, and its error', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const get = cache.wrap('f', (_id: number) => gate.load())
    const answers: Promise<unknown>[] = [get(1), get(1), get.many([[1]])]
    await gate.begun()
    const error = new Error('no')
    gate.fail(error)
    for (const answer of answers) await t.rejects(answer, error)
    t.equal(gate.calls, 1)
    const child = cache.namespace('child').wrap('f', (_id: number) => 'of the child')
    t.equal(await child(1), 'of the child')
    t.equal(await cache.get('child:f:1'), 'of the child')
  })
}

function loading(t: Test, site: Site): void {
  t.test('a loader may set the ttl, add tags, or decline to cache', async (t) => {
    const { cache } = await site.open(t)
    await cache.getOrSet(
      'key',
      ({ setTtl, addTags }) => {
        setTtl('1h')
        addTags('b', 'c')
        return 1
      },
      { tags: ['a'], ttl: '1m' },
    )
    const entry = await cache.entry('key')
    t.ok(entry.ttl > 3_500_000)
    t.strictSame([...entry.tags].sort(), ['a', 'b', 'c'])
    const skipped = counter('value')
    for (let i = 0; i < 2; i++) {
      t.equal(
        await cache.getOrSet('skipped', ({ skip }) => {
          skip()
          return skipped()
        }),
        'value',
      )
      t.equal(
        await cache.getOrSet('zero', ({ setTtl }) => {
          setTtl(0)
          return skipped()
        }),
        'value',
      )
    }
    t.equal(skipped.calls, 4)
    t.equal(await cache.has('skipped'), false)
    t.equal(await codeOf(cache.getOrSet('bad', ({ setTtl }) => setTtl(-1))), 'LARDER_INVALID_OPTION')
    t.equal(await codeOf(cache.getOrSet('bad', ({ addTags }) => addTags(''))), 'LARDER_INVALID_KEY')
  })

  t.test('a loader is given the stale value that it loads anew', async (t) => {
    const { cache } = await site.open(t)
    const seen: unknown[] = []
    const load = ({ stale }: { stale: unknown }): number => {
      seen.push(stale)
      return ((stale as number | undefined) ?? 0) + 1
    }
    t.equal(await cache.getOrSet('key', load), 1)
    await cache.expire('key')
    t.equal(await cache.getOrSet('key', load), 1)
    await pollUntil('the refresh', async () => (await cache.get('key')) === 2)
    t.strictSame(seen, [undefined, 1])
  })

  t.test('force loads although the entry is cached, and the new value is kept', async (t) => {
    const { cache } = await site.open(t)
    await cache.getOrSet('key', () => 1)
    t.equal(await cache.getOrSet('key', () => 2), 1, 'not by default')
    const forced = await cache.entry('key', () => 2, { force: true })
    t.equal(forced.value, 2)
    t.equal(forced.state, 'miss')
    t.equal(await cache.get('key'), 2)
    t.equal(await cache.getOrSet('absent', () => 3, { force: true }), 3)
    const error = new Error('no')
    await t.rejects(
      cache.getOrSet('key', () => Promise.reject(error), { force: true }),
      error,
      'its error is not hidden by the old value',
    )
    t.equal(await cache.get('key'), 2)
  })

  t.test('a forced load does not take the value of one that began before', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const before = cache.getOrSet('key', gate.load)
    await gate.begun()
    const forced = cache.getOrSet('key', () => 'new', { force: true })
    gate.open('old')
    t.equal(await before, 'old')
    t.equal(await forced, 'new')
    t.equal(await cache.get('key'), 'new')
  })

  t.test('memory: false keeps no copy in the process', async (t) => {
    const { cache } = await site.open(t)
    await cache.getOrSet('key', () => 1, { memory: false })
    t.equal(cache.peek('key'), undefined)
    t.equal(await cache.get('key', { memory: false }), 1)
    t.equal(cache.peek('key'), undefined)
    const child = cache.namespace('child', { memory: false })
    await child.set('key', 2)
    t.equal(await child.get('key'), 2)
    t.equal(child.peek('key'), undefined)
  })

  t.test(
    'a failing loader is called once for all who wait, fails them with its error, and is not cached (G6)',
    async (t) => {
      const { cache } = await site.open(t)
      const gate = new Gate<string>()
      const waiting = Array.from({ length: 10 }, () => cache.getOrSet('key', gate.load))
      await gate.begun()
      const error = Object.assign(new Error('no database'), { code: 'ECONNREFUSED' })
      gate.fail(error)
      for (const one of waiting) t.equal(await one.catch((reason) => reason), error, 'the very error')
      t.equal(gate.calls, 1)
      t.equal(await cache.getOrSet('key', () => 'fine'), 'fine')
      await t.rejects(
        cache.getOrSet('sync', () => {
          throw error
        }),
        error,
      )
      t.equal(await codeOf(cache.getOrSet('thrown', () => Promise.reject('a string'))), 'a string')
    },
  )

  t.test('staggered callers of a failing loader share its errors, one load at a time (G6)', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const answers: Promise<unknown>[] = []
    let failures = 0
    let settled = 0
    const ask = async (): Promise<unknown> => {
      const answer = await cache.getOrSet('key', gate.load).catch((error: Error) => error.message)
      settled++
      return answer
    }
    for (let turn = 0; answers.length < 30 || settled < 30; turn++) {
      if (answers.length < 30) answers.push(ask())
      await new Promise(setImmediate)
      if (turn % 10 === 9 && gate.running > 0) gate.fail(new Error(`failure ${++failures}`))
    }
    const messages = await Promise.all(answers)
    t.equal(gate.most, 1, 'one load at a time')
    t.ok(
      messages.every((message) => String(message).startsWith('failure')),
      'each got an error of the loader',
    )
    t.ok(gate.calls <= 6, `${gate.calls} loads for 30 callers`)
  })

  t.test('a caller whose signal aborts leaves with its reason; the load goes on for the others', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    let signal: AbortSignal | undefined
    const load = (context: { signal: AbortSignal }): Promise<string> => {
      signal = context.signal
      return gate.load()
    }
    const controller = new AbortController()
    const reason = new Error('the client went away')
    const leaving = cache.getOrSet('key', load, { signal: controller.signal })
    await gate.begun()
    const staying = cache.getOrSet('key', load, { signal: new AbortController().signal })
    await joined(cache, 'key')
    controller.abort(reason)
    t.equal(await leaving.catch((error) => error), reason)
    t.equal(signal?.aborted, false)
    gate.open('value')
    t.equal(await staying, 'value')
    t.equal(await cache.get('key'), 'value')
    t.equal(gate.calls, 1)
    t.equal(
      await cache.getOrSet('key', load, { signal: AbortSignal.abort(reason) }).catch((error) => error),
      reason,
      'an aborted signal rejects although the value is there',
    )
  })

  t.test('a load is aborted when all of its callers have left, and what it brings is not kept', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    let signal: AbortSignal | undefined
    const load = (context: { signal: AbortSignal }): Promise<string> => {
      signal = context.signal
      return gate.load()
    }
    const controllers = [new AbortController(), new AbortController()]
    const leaving = controllers.map((one) => cache.getOrSet('key', load, { signal: one.signal }))
    await gate.begun()
    const aborted = once(signal as AbortSignal, 'abort')
    for (const one of controllers) one.abort()
    for (const one of leaving) await t.rejects(one, { name: 'AbortError' })
    await aborted
    gate.open('late')
    const fresh = counter('fresh')
    t.equal(await cache.getOrSet('key', fresh), 'fresh')
    t.equal(await cache.get('key'), 'fresh')
    t.equal(fresh.calls, 1)
  })

  t.test('who asks as the last caller leaves is not rejected with that caller’s reason', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const controller = new AbortController()
    const load = ({ signal }: { signal: AbortSignal }): Promise<string> =>
      Promise.race([gate.load(), once(signal, 'abort').then(() => Promise.reject(signal.reason))])
    const leaving = cache.getOrSet('key', load, { signal: controller.signal })
    await gate.begun()
    controller.abort(new Error('left'))
    const next = cache.getOrSet('key', () => 'value')
    await t.rejects(leaving, { message: 'left' })
    t.equal(await next, 'value')
    t.equal(await cache.get('key'), 'value')
  })

  t.test('a caller of getMany who leaves does not end the loads that others joined', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string[]>()
    let signal: AbortSignal | undefined
    const controller = new AbortController()
    const leaving = cache.getMany<string>(
      ['a', 'b'],
      (_keys, context) => {
        signal = context.signal
        return gate.load() as Promise<string[]>
      },
      { signal: controller.signal },
    )
    await gate.begun()
    const staying = cache.getOrSet('b', () => 'loaded twice')
    await joined(cache, 'b')
    controller.abort(new Error('left'))
    await t.rejects(leaving, { message: 'left' })
    t.equal(signal?.aborted, false, 'somebody still waits for one of them')
    gate.open(['A', 'B'])
    t.equal(await staying, 'B')
  })

  t.test('a stampede of 300 callers over 30 keys loads each once', async (t) => {
    const { cache } = await site.open(t)
    const loads = new Map<number, number>()
    const answers = Array.from({ length: 300 }, (_, i) =>
      cache.getOrSet(['key', i % 30], async () => {
        loads.set(i % 30, (loads.get(i % 30) ?? 0) + 1)
        return i % 30
      }),
    )
    t.strictSame(
      await Promise.all(answers),
      answers.map((_, i) => i % 30),
    )
    t.ok([...loads.values()].every((count) => count === 1))
  })
}

function staleness(t: Test, site: Site): void {
  /** An entry that has just become older than its ttl. */
  const outlived = async (cache: Cache, options: { staleWhileRevalidate?: string; staleIfError?: string }) => {
    await cache.set('key', 'old', { ttl: 20, ...options })
    await pollUntil('the end of its ttl', async () => {
      const entry: Entry<unknown> = await cache.entry('key')
      return entry.state !== 'hit'
    })
  }

  t.test('staleWhileRevalidate serves the old value after its ttl while one load runs in the background', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, { staleWhileRevalidate: '1m' })
    const gate = new Gate<string>()
    for (let i = 0; i < 5; i++) {
      const entry = await cache.entry('key', gate.load)
      t.equal(entry.state, 'stale')
      t.equal(entry.value, 'old')
    }
    await gate.begun()
    gate.open('new')
    await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
    t.equal(gate.calls, 1)
  })

  t.test('by default nothing is served after its ttl', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, {})
    t.equal(await cache.get('key'), undefined)
    t.equal(cache.peek('key'), undefined)
    await t.rejects(
      cache.getOrSet('key', () => Promise.reject(new Error('no database'))),
      { message: 'no database' },
    )
  })

  t.test('a failing refresh in the background goes on serving the old value, and is tried again', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, { staleWhileRevalidate: '1m' })
    let calls = 0
    const fail = (): Promise<string> => {
      calls++
      return Promise.reject(new Error('no database'))
    }
    await pollUntil('another try', async () => {
      t.equal(await cache.getOrSet('key', fail), 'old')
      return calls >= 2
    })
    await pollUntil('the new value', async () => (await cache.getOrSet('key', () => 'new')) === 'new')
  })

  t.test('staleIfError serves the old value when loading fails, and only then (G6)', async (t) => {
    const { cache } = await site.open(t)
    await outlived(cache, { staleIfError: '1m' })
    t.equal(await cache.get('key'), undefined, 'it is not served without need')
    t.equal(cache.peek('key'), undefined)
    const gate = new Gate<string>()
    const answers = Array.from({ length: 5 }, () => cache.entry('key', gate.load))
    await gate.begun()
    gate.fail(new Error('no database'))
    for (const answer of answers) {
      const entry = await answer
      t.equal(entry.value, 'old')
      t.equal(entry.state, 'stale')
    }
    t.equal(gate.calls, 1)
    t.strictSame(await cache.getMany(['key'], () => Promise.reject(new Error('no database'))), ['old'])
    const fresh = await cache.entry('key', () => 'new')
    t.equal(fresh.value, 'new')
    t.equal(await cache.get('key'), 'new')
  })

  t.test(
    'eager refreshes before the end, in the background (XFetch); by default nothing is refreshed early',
    async (t) => {
      const { cache } = await site.open(t)
      const slow = async (): Promise<string> => {
        await pollUntil('a load that takes time', () => performance.now() > started + 15)
        return 'old'
      }
      let started = performance.now()
      await cache.getOrSet('key', slow, { ttl: '1m', eager: 1e9 })
      const refreshed = new Gate<string>()
      t.equal(await cache.getOrSet('key', refreshed.load, { eager: false }), 'old')
      t.equal(refreshed.calls, 0)
      const entry = await cache.entry('key', refreshed.load, { eager: 1e9 })
      t.equal(entry.state, 'hit')
      t.equal(entry.value, 'old')
      await refreshed.begun()
      refreshed.open('new')
      await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
      const child = cache.namespace('child', { eager: 1e9, ttl: '1m' })
      started = performance.now()
      const load = counter('again')
      await child.getOrSet('key', slow)
      await pollUntil('a refresh by the default of a child', async () => {
        await child.getOrSet('key', load)
        return load.calls > 0
      })
    },
  )

  t.test('jitter shortens the ttl at random by up to its share; by default the ttl is exact', async (t) => {
    const { cache } = await site.open(t)
    const ttlOf = async (options: object, i: number): Promise<number> => {
      await cache.set(['key', i], 1, { ttl: 1_000_000, ...options })
      const entry = await cache.entry(['key', i])
      return entry.ttl + entry.age
    }
    const jittered: number[] = []
    for (let i = 0; i < 40; i++) jittered.push(await ttlOf({ jitter: 0.5 }, i))
    t.ok(Math.min(...jittered) >= 499_999 && Math.max(...jittered) <= 1_000_001)
    t.ok(Math.max(...jittered) - Math.min(...jittered) > 100_000, 'they are spread')
    t.ok(Math.abs((await ttlOf({}, 41)) - 1_000_000) < 5)
  })
}

function timeouts(t: Test, site: Site): void {
  t.test(
    'a load over its hard timeout rejects with LARDER_CACHE_LOAD_TIMEOUT, and its late result overwrites nothing',
    async (t) => {
      const { cache } = await site.open(t)
      const gate = new Gate<string>()
      let signal: AbortSignal | undefined
      const load = (context: { signal: AbortSignal }): Promise<string> => {
        signal = context.signal
        return gate.load()
      }
      t.equal(await codeOf(cache.getOrSet('key', load, { timeout: 30 })), 'LARDER_CACHE_LOAD_TIMEOUT')
      t.equal(signal?.aborted, true, 'the loader is told')
      t.equal(await cache.getOrSet('key', () => 'new', { timeout: '1s' }), 'new', 'the key is free at once')
      gate.open('late')
      await new Promise(setImmediate)
      t.equal(await cache.get('key'), 'new')
      t.equal(await codeOf(cache.getOrSet('other', gate.load, { timeout: { hard: 20 } })), 'LARDER_CACHE_LOAD_TIMEOUT')
      t.equal(await cache.has('other'), false)
      t.equal(
        await codeOf(cache.getMany(['a', 'b'], () => new Promise<string[]>(() => {}), { timeout: 20 })),
        'LARDER_CACHE_LOAD_TIMEOUT',
      )
    },
  )

  t.test('who joins a load is held to his own timeout, and the load goes on for the others', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const patient = cache.getOrSet('key', gate.load)
    await gate.begun()
    t.equal(await codeOf(cache.getOrSet('key', gate.load, { timeout: 20 })), 'LARDER_CACHE_LOAD_TIMEOUT')
    gate.open('value')
    t.equal(await patient, 'value')
    t.equal(gate.calls, 1)
  })

  t.test('after its soft timeout a load goes on in the background, and the old value is served', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old', { ttl: 20, staleIfError: '1m' })
    await pollUntil('the end of its ttl', async () => !(await cache.has('key')))
    const gate = new Gate<string>()
    const entry = await cache.entry('key', gate.load, { timeout: { soft: 20 } })
    t.equal(entry.value, 'old')
    t.equal(entry.state, 'stale')
    gate.open('new')
    await pollUntil('the new value', async () => (await cache.get('key')) === 'new')
    t.equal(gate.calls, 1)
  })

  t.test('a soft timeout with nothing to serve waits for the load', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const answer = cache.getOrSet('key', gate.load, { timeout: { soft: 5 } })
    await gate.begun()
    await pollUntil(
      'longer than the soft timeout',
      (() => {
        const started = performance.now()
        return () => performance.now() - started > 20
      })(),
    )
    gate.open('value')
    t.equal(await answer, 'value')
  })

  t.test('a hard timeout serves what is stale if it may', async (t) => {
    const { cache } = await site.open(t)
    await cache.set('key', 'old', { ttl: 20, staleIfError: '1m' })
    await pollUntil('the end of its ttl', async () => !(await cache.has('key')))
    const entry = await cache.entry('key', () => new Promise<string>(() => {}), { timeout: 30 })
    t.equal(entry.value, 'old')
    t.equal(entry.state, 'stale')
  })

  t.test('a timeout of many days is not one of a millisecond', async (t) => {
    const { cache } = await site.open(t)
    const gate = new Gate<string>()
    const answer = cache.getOrSet('key', gate.load, { timeout: { soft: '60d', hard: '60d' } })
    await gate.begun()
    await pollUntil(
      'some turns of the event loop',
      (() => {
        let turns = 0
        return () => ++turns > 3
      })(),
    )
    gate.open('value')
    t.equal(await answer, 'value')
  })
}

function tagging(t: Test, site: Site): void {
  t.test('the invalidation of a tag during a load: the old value is stored nowhere (G1)', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    for (const options of [{ tags: ['tag'] }, { tags: (value: string) => (value ? ['tag'] : []) }]) {
      const gate = new Gate<string>()
      const before = cache.getOrSet('key', gate.load, options)
      await gate.begun()
      await invalidateTags('tag')
      const late = cache.getOrSet('key', () => 'new', options)
      gate.open('old')
      t.equal(await before, 'old')
      t.equal(await late, 'new')
      t.equal(await cache.get('key'), 'new')
      await cache.delete('key')
    }
  })

  t.test('an invalidated tag empties the entries that bear it, hits included, and no others', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    await cache.set('a', 'a', { tags: ['one', 'both'] })
    await cache.set('b', 'b', { tags: ['two', 'both'] })
    await cache.set('c', 'c')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), ['a', 'b', 'c'])
    await invalidateTags('one')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), [undefined, 'b', 'c'])
    await invalidateTags('both')
    t.strictSame(await cache.getMany(['a', 'b', 'c']), [undefined, undefined, 'c'])
    t.equal(cache.peek('b'), undefined)
  })

  t.test('a tag may be of any length and any characters', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    const names = ['x'.repeat(10_000), ':', ':child', '\\', '\\:', 'a}b{', 'é'.repeat(150), '\ud800', '\ud801', ' \n']
    for (const name of names) await cache.set(['of', name], name, { tags: [name] })
    for (const [i, name] of names.entries()) {
      await invalidateTags(name)
      const left = names.map((other) => ['of', other])
      const values = await cache.getMany(left)
      t.equal(values.filter((value) => value !== undefined).length, names.length - i - 1)
    }
  })

  t.test('a tag that is called as a child namespace is another thing', async (t) => {
    const { cache, invalidateTags } = await site.open(t)
    const child = cache.namespace('child')
    await child.set('key', 1)
    await invalidateTags('child', ':child')
    t.equal(await child.get('key'), 1)
  })
}
