import type { Tag } from '@larder/core'
import { sharedRedis } from '@larder/test-redis'
import fc from 'fast-check'
import t from 'tap'
import { decodeSlot, Envelope, type EnvelopeFields, expired } from '../dist/envelope.js'
import { deepFreeze, thaw } from '../dist/freeze.js'
import { matcher } from '../dist/pattern.js'
import { client, entryKey, open } from './setup.js'

const date = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0, max: 1e15 })
const fields: fc.Arbitrary<EnvelopeFields> = fc.record({
  freshUntil: date,
  staleUntil: date,
  errorUntil: date,
  created: date,
  epoch: date,
  loadMs: fc.float({ noNaN: true, noDefaultInfinity: true, min: 0 }),
  tags: fc.array(fc.string({ unit: 'binary' }) as fc.Arbitrary<Tag>, { maxLength: 5 }),
  codec: fc.string({ minLength: 1, maxLength: 32 }).map((id) => id.replace(/[^\x21-\x7e]/g, 'x')),
  kind: fc.constantFrom('codec', 'undefined', 'buffer', 'bytes'),
  compressed: fc.boolean(),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
})

function fieldsOf({ bytes }: Envelope): EnvelopeFields | undefined {
  const slot = decodeSlot(Buffer.from(bytes))
  if (slot.state !== 'entry') return undefined
  const { freshUntil, staleUntil, errorUntil, created, epoch, loadMs, tags, codec, kind, compressed, payload } =
    slot.envelope
  return { freshUntil, staleUntil, errorUntil, created, epoch, loadMs, tags, codec, kind, compressed, payload }
}

t.test('an entry comes back from its bytes as what it was', async () => {
  fc.assert(
    fc.property(fields, (made) => {
      const envelope = Envelope.of(made)
      const read = fieldsOf(envelope)
      const same = read && Object.entries(made).every(([name, value]) => equal(value, read[name as keyof typeof read]))
      return same && envelope.isOf(made.codec) && !envelope.isOf(`${made.codec}x`) && !envelope.isOf('')
    }),
  )
})

function equal(a: unknown, b: unknown): boolean {
  if (Buffer.isBuffer(a)) return a.equals(b as Buffer)
  return Array.isArray(a) ? JSON.stringify(a) === JSON.stringify(b) : Object.is(a, b)
}

t.test('an expired entry is the same, and no longer fresh', async () => {
  fc.assert(
    fc.property(fields, (made) => {
      const bytes = expired(Envelope.of(made))
      for (let i = 0; i < 2; i++) {
        const slot = decodeSlot(bytes)
        if (slot.state !== 'entry' || slot.envelope.freshUntil !== 0) return false
        if (!slot.envelope.payload.equals(made.payload) || slot.envelope.staleUntil !== made.staleUntil) return false
      }
      return true
    }),
  )
})

t.test('any bytes decode to something, and foreign ones to no entry', async () => {
  const head = fc.constantFrom('', 'E1', 'X1', 'E0', 'E2', 'L1', 'W1', 'E', 'L')
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      const { state } = decodeSlot(Buffer.concat([Buffer.from(start), rest]))
      return state === 'foreign' || (state === 'placeholder' && start.length + rest.length === 18)
    }),
    { numRuns: 2_000 },
  )
})

t.test('an entry that was cut short, or went on, is a miss', async () => {
  fc.assert(
    fc.property(fields, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 20 }), (made, at, more) => {
      const { bytes } = Envelope.of(made)
      const cut = decodeSlot(Buffer.from(bytes.subarray(0, at % bytes.length)))
      const longer = decodeSlot(Buffer.concat([bytes, more]))
      return cut.state !== 'entry' && longer.state !== 'entry'
    }),
    { numRuns: 1_000 },
  )
})

t.test('an entry with a bit changed is a miss, never another value', async () => {
  fc.assert(
    fc.property(fields, fc.nat(), (made, at) => {
      const { bytes } = Envelope.of(made)
      const bit = at % (bytes.length * 8)
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7))
      return decodeSlot(bytes).state !== 'entry'
    }),
    { numRuns: 2_000 },
  )
})

t.test('an entry with any bytes written over is a miss, or has the value that it had', async () => {
  const piece = fc.uint8Array({ minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(fields, fc.nat(), piece, (made, at, over) => {
      const { bytes } = Envelope.of(made)
      Buffer.from(over).copy(bytes, at % bytes.length)
      const slot = decodeSlot(bytes)
      return slot.state !== 'entry' || slot.envelope.payload.equals(made.payload)
    }),
    { numRuns: 2_000 },
  )
})

t.test('what others do to the bytes of an entry in Redis never makes another value of it', async (t) => {
  const server = await sharedRedis()
  const redis = client(t, server)
  const opened = await open(t, { redis: client(t, server), memory: false, deadline: '20s' })
  const { cache } = opened
  const name = entryKey(opened, 'key')
  const value = { id: 1_234_567, list: [1, 2, 3], text: 'larder' }
  await cache.set('key', value)
  const good = (await redis.getBuffer(name)) as Buffer
  const change = fc.record({ at: fc.nat(good.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 3 }), fc.nat(good.length), async (changes, end) => {
      const bytes = Buffer.from(good)
      for (const one of changes) Buffer.from(one.bytes).copy(bytes, one.at)
      await redis.set(name, bytes.subarray(0, changes.length === 0 ? end : good.length), 'PX', 60_000)
      const [got, [many], loaded] = await Promise.all([
        cache.get('key'),
        cache.getMany(['key']),
        cache.getOrSet('key', () => 'loaded', { timeout: '10s' }),
      ])
      const untouched = JSON.stringify(value)
      const fine = (one: unknown): boolean => one === undefined || JSON.stringify(one) === untouched
      return fine(got) && fine(many) && (loaded === 'loaded' || fine(loaded))
    }),
    { numRuns: 150 },
  )
  t.pass('150 changes')
})

t.test('freezing reaches everything, and thawing gives an equal value that can be changed', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      const own: unknown = JSON.parse(text)
      if (!deepFreeze(own) || !isFrozen(own)) return false
      const copy = thaw(own)
      return JSON.stringify(copy) === text && !sharesObjects(own, copy)
    }),
  )
  const proto = JSON.parse('{"__proto__":{"admin":true},"a":1}') as object
  deepFreeze(proto)
  const copy = thaw(proto) as { admin?: boolean }
  t.equal(JSON.stringify(copy), '{"__proto__":{"admin":true},"a":1}', 'a field called __proto__ is a field')
  t.equal(copy.admin, undefined)
})

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isFrozen)
}

function sharesObjects(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null) return false
  if (a === b || Object.isFrozen(b)) return true
  return Object.entries(a).some(([name, item]) => sharesObjects(item, (b as Record<string, unknown>)[name]))
}

t.test('freezing says no to what it does not protect, however deep and however often it is reached', async (t) => {
  const circular: { self?: unknown; list: unknown[] } = { list: [] }
  circular.self = circular
  circular.list.push(circular.list, circular)
  t.equal(deepFreeze(circular), true)
  const copy = thaw(circular) as typeof circular
  t.equal(copy.self, copy)
  t.not(copy, circular)
  for (const bad of [new Date(), new Map(), new Set(), Buffer.from('x'), /x/, () => 1, new (class Own {})()]) {
    t.equal(deepFreeze(bad), false)
    t.equal(deepFreeze({ deep: [{ in: bad }] }), false)
    t.equal(deepFreeze(Object.freeze({ frozen: bad })), false)
    t.equal(deepFreeze({ in: Object.freeze([bad]) }), false)
  }
})

t.test('a pattern matches what its regular expression would', async () => {
  const sign = fc.constantFrom('a', 'b', '*', '?', '.', '[', '\\', '🐎', '\n')
  const text = fc.array(fc.constantFrom('a', 'b', '.', '[', '\\', '🐎', '\n'), { maxLength: 8 })
  fc.assert(
    fc.property(fc.array(sign, { maxLength: 6 }), text, (pattern, parts) => {
      const source = pattern.map((one) => (one === '*' ? '.*' : one === '?' ? '.' : `\\u{${hex(one)}}`)).join('')
      return matcher(pattern.join(''))(parts.join('')) === new RegExp(`^${source}$`, 'su').test(parts.join(''))
    }),
    { numRuns: 3_000 },
  )
})

function hex(sign: string): string {
  return (sign.codePointAt(0) as number).toString(16)
}
