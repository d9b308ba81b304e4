import { encodeTag, escapeKey, escapePattern, type Key, type KeyPart, logicalKey, unescapeKey } from '@larder/core'
import { sharedRedis, uniqueNamespace } from '@larder/test-redis'
import fc from 'fast-check'
import t from 'tap'
import { namespaceOf } from './setup.js'

const RUNS = process.env.LARDER_NIGHTLY ? 20_000 : 2_000

/** Text of what could be mistaken for our own signs. */
const text = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(':', '%', '~', '3A', '25', '7E', '7D', '#', '}', '{', '\0', '\\') },
      { weight: 2, arbitrary: fc.constantFrom('a', 'b', '1', 'n', 'null', 'true', '"', '[', ']', ',', 'date ', ' ') },
      { weight: 1, arbitrary: fc.constantFrom('é', '\u2028', '\ud83d\ude00', '\ud800', '\udc00', '\ufffd') },
    ),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(''))

const scalar = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(0.5, 1e21, Number.NaN, Number.POSITIVE_INFINITY) },
  { weight: 1, arbitrary: fc.constantFrom(null, undefined, true, false, 0n, 1n, new Date(0), new Date(1)) },
)
const data: fc.Arbitrary<unknown> = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('node'), { maxLength: 3 }),
    fc.dictionary(text, tie('node'), { maxKeys: 3 }),
  ),
})).node

const parts = fc.array(fc.oneof({ weight: 3, arbitrary: scalar }, { weight: 1, arbitrary: data }), {
  minLength: 1,
  maxLength: 3,
})

/** What an array key means, by another road than that of the code: two keys are one exactly if this is. */
function meaning(value: unknown, top = false): unknown {
  if (top && (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'))
    return ['text', String(value)]
  if (value instanceof Date) return ['date', value.getTime()]
  if (Array.isArray(value)) return ['list', ...value.map((item) => meaning(item))]
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, item]) => item !== undefined)
    return [
      'fields',
      ...fields.map(([name, item]) => [name, meaning(item)]).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    ]
  }
  return [typeof value, String(value)]
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  const of = (list: readonly unknown[]) => JSON.stringify(list.map((part) => meaning(part, true)))
  return of(a) === of(b)
}

const long = 'x'.repeat(201)

t.test('the parts of an array key are joined by colons, numbers and strings alike', async (t) => {
  t.equal(logicalKey('plain key'), 'plain key')
  t.equal(logicalKey(['product', 42]), 'product:42')
  t.equal(logicalKey(['product', '42']), 'product:42')
  t.equal(logicalKey(['product', 42n]), 'product:42')
  t.equal(logicalKey(['a:b', 'c']), 'a%3Ab:c')
  t.equal(logicalKey(['a', null, true]), 'a:~null:~true')
  t.equal(logicalKey(['a', '~null']), 'a:%7Enull')
  t.equal(
    logicalKey(['search', { q: 'tea', page: 1, none: undefined }]),
    logicalKey(['search', { page: 1, q: 'tea' }]),
    'the order of properties does not matter, nor does one that is undefined',
  )
})

t.test('two array keys are one exactly if their parts are', async () => {
  const near = fc.oneof(
    fc.tuple(parts, parts),
    // Keys that are likely to collide: the same text, cut elsewhere.
    fc.tuple(text, text, text).map(([a, b, c]): [unknown[], unknown[]] => [
      [`${a}${b}`, c],
      [a, `${b}${c}`],
    ]),
    fc.tuple(parts, fc.nat(2)).map(([list, i]): [unknown[], unknown[]] => {
      const part = list[i % list.length]
      const changed = typeof part === 'string' ? [part] : part === null ? 'null' : [part, part]
      return [list, list.map((one, index) => (index === i % list.length ? changed : one))]
    }),
  )
  fc.assert(
    fc.property(near, ([a, b]) => {
      const nonempty = (key: unknown[]) => !(key.length === 1 && key[0] === '')
      fc.pre(nonempty(a) && nonempty(b))
      return (logicalKey(a as KeyPart[]) === logicalKey(b as KeyPart[])) === same(a, b)
    }),
    { numRuns: RUNS },
  )
})

t.test('two string keys are one exactly if they are equal, whatever their length and characters', async () => {
  const either = fc.oneof(
    text,
    text.map((end) => long + end),
    text.map((start) => start + long),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
  )
  fc.assert(
    fc.property(either, either, (a, b) => {
      fc.pre(a !== '' && b !== '')
      return (logicalKey(a) === logicalKey(b)) === (a === b)
    }),
    { numRuns: RUNS },
  )
})

t.test('a key of more than 200 bytes is kept under a hash of the whole of it', async (t) => {
  const exact = 'é'.repeat(100)
  t.equal(logicalKey(exact), exact, '200 bytes are kept as they are')
  for (const key of [`${exact}e`, long, 'x'.repeat(10_000_000)]) {
    const hashed = logicalKey(key)
    t.equal(hashed.length, 44)
    t.not(logicalKey(`${key}y`), hashed, 'the last character counts')
    t.not(logicalKey(`y${key}`), hashed, 'the first one does')
    t.not(logicalKey(logicalKey(key)), hashed, 'nobody can name the hash')
    t.equal(logicalKey(key), hashed)
  }
})

t.test('keys that UTF-8 cannot tell apart are', async (t) => {
  const keys = ['\ud800', '\ud801', '\udc00', '\ufffd', 'a\ud800', `${long}\ud800`, `${long}\ud801`, `${long}\ufffd`]
  t.equal(new Set(keys.map(logicalKey)).size, keys.length)
  t.equal(new Set(keys.map(encodeTag)).size, keys.length)
  for (const key of keys) t.ok(logicalKey(key).isWellFormed())
})

t.test('a key that is chosen to have the bytes of another one is another one', async (t) => {
  // In UTF-16 the first has the bytes that the second has in UTF-8.
  const odd = `${'a'.repeat(150)}\ud800\u0080`
  const bytes = Buffer.from(odd, 'utf16le')
  const even = bytes.toString('utf8')
  t.ok(Buffer.from(even).equals(bytes))
  t.not(logicalKey(even), logicalKey(odd))
  t.not(encodeTag(even), encodeTag(odd))
})

t.test('values inside a part that JSON cannot tell apart are', async (t) => {
  const values = [Number.NaN, null, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 'NaN', 1, 1n, '1', '1n', [], {}]
  const keys = values.map((value) => logicalKey(['key', { value }]))
  t.equal(new Set(keys).size, values.length)
})

t.test('instances of classes that keep their data to themselves are told apart, or refused', async (t) => {
  const of = (part: object) => logicalKey(['page', part])
  t.not(of(new URL('http://a.example')), of(new URL('http://b.example')))
  t.not(of({ url: new URL('http://a.example') }), of({ url: new URL('http://b.example') }))
  for (const part of [
    /a/,
    new URLSearchParams('a=1'),
    new Headers(),
    new Error('a'),
    new ArrayBuffer(1),
    Promise.resolve(1),
  ])
    t.throws(() => of(part), { code: 'LARDER_INVALID_KEY', message: /plain data, got a/ })
  class Query {
    q: string
    constructor(q: string) {
      this.q = q
    }
  }
  t.not(of(new Query('a')), of(new Query('b')))
  t.equal(
    of(Object.assign(Object.create(Object.create(null)), { q: 'a' })),
    of({ q: 'a' }),
    'a query string of Fastify',
  )
  t.equal(of(Object.create(null)), of({}))
})

t.test('what is no data is refused', async (t) => {
  const circular: unknown[] = []
  circular.push(circular)
  const refused: [unknown, RegExp][] = [
    ['', /at least one character/],
    [[''], /at least one character/],
    [[], /at least one part/],
    [undefined, /a string or an array, got undefined/],
    [null, /a string or an array, got null/],
    [42, /a string or an array, got a number/],
    [Buffer.from('key'), /a string or an array, got a Buffer/],
    [{ id: 1 }, /a string or an array, got a Object/],
    [['a', () => 1], /to be data, got a function/],
    [['a', Symbol('s')], /to be data, got a symbol/],
    [['a', Buffer.from('b')], /plain data, got a Buffer/],
    [['a', new Map()], /plain data, got a Map/],
    [['a', { deep: new Set() }], /plain data, got a Set/],
    [['a', circular], /without circular references/],
  ]
  for (const [key, message] of refused) t.throws(() => logicalKey(key as Key), { code: 'LARDER_INVALID_KEY', message })
  const twice = { a: 1 }
  t.equal(logicalKey(['a', [twice, twice]]), 'a:~[{"a"%3A1},{"a"%3A1}]', 'the same object twice is no circle')
  t.throws(() => encodeTag(''), { code: 'LARDER_INVALID_KEY' })
  t.throws(() => encodeTag(1 as never), { code: 'LARDER_INVALID_KEY' })
})

t.test('escaping is undone by unescaping, and leaves no sign that would end a hash tag', async () => {
  fc.assert(
    fc.property(text, (key) => {
      const escaped = escapeKey(key)
      return unescapeKey(escaped) === key && !/[}\0]/.test(escaped)
    }),
    { numRuns: RUNS },
  )
})

t.test('entry and lease of a key share a slot, and the key is read back from both', async (t) => {
  const namespace = namespaceOf(t)
  const hashTag = (key: string) => /\{(.+?)\}/s.exec(key)?.[1]
  fc.assert(
    fc.property(text, (raw) => {
      fc.pre(raw !== '')
      const key = logicalKey(raw)
      const entry = namespace.entryKey(key)
      return hashTag(entry) === hashTag(namespace.leaseKey(key)) && namespace.logicalKey(entry) === key
    }),
    { numRuns: RUNS },
  )
})

t.test('tags are told apart, also from those that namespaces have', async (t) => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      fc.pre(a !== '' && b !== '')
      return (encodeTag(a) === encodeTag(b)) === (a === b)
    }),
    { numRuns: RUNS },
  )
  t.equal(encodeTag('products'), 'products')
  t.not(encodeTag(':child'), ':child')
  t.equal(encodeTag('x'.repeat(1000)).length, 45)
  t.ok(encodeTag('x'.repeat(1000)).startsWith(':#'))
})

t.test('a pattern means the same to Redis as to the user: only * and ? are special', async (t) => {
  const server = await sharedRedis()
  const prefix = uniqueNamespace()
  const redis = server.client()
  t.teardown(() => redis.disconnect())
  const names = ['a[b]c', 'abc', 'a\\c', 'a^c', 'a}c', 'a%c', 'a*c', 'a\0c', 'ac']
  for (const name of names) await redis.set(`${prefix}:{${escapeKey(name)}}`, 1)
  const found = async (pattern: string) => {
    const keys = await redis.keys(`${prefix}:{${escapePattern(pattern)}}`)
    return keys.map((key) => unescapeKey(key.slice(prefix.length + 2, -1))).sort()
  }
  for (const name of names) if (!name.includes('*')) t.same(await found(name), [name])
  t.same(await found('*'), [...names].sort())
  t.same(await found('a*'), [...names].sort())
  t.same(await found('a[*'), ['a[b]c'])
})
