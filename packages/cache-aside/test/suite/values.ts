import type { Test } from 'tap'
import { codeOf, counter, type Site } from '../setup.js'

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

/** What becomes of values on their way. */
export function values(t: Test, site: Site): void {
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
