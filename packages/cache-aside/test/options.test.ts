import { readFileSync } from 'node:fs'
import cacheAside, { type CacheAsideOptions } from '@larder/cache-aside'
import fastify from 'fastify'
import t, { type Test } from 'tap'
import { resolveCall } from '../dist/call-options.js'
import * as errors from '../dist/errors.js'
import { resolveOptions } from '../dist/options.js'
import { codeOf, counter, open } from './setup.js'

const codec = { id: 'x', encode: String, decode: String, freezable: true }

t.test('the defaults are what the README says', async (t) => {
  const { call, codec: json, ...options } = resolveOptions({})
  t.strictSame(options, {
    redis: undefined,
    name: undefined,
    namespace: 'larder',
    version: undefined,
    memory: { maxEntries: 10_000, maxBytes: 64 * 1024 * 1024, ttl: 60_000 },
    deadline: 250,
    compressAbove: Number.POSITIVE_INFINITY,
    heartbeat: 2_000,
    lease: 5_000,
    replayFor: 30_000,
    outboxLimit: 10_000,
    maxValueBytes: 8 * 1024 * 1024,
  })
  t.equal(json.id, 'json')
  const { implicit: _, cache: __, app: ___, codec, ...entry } = call
  t.equal(codec, json)
  t.strictSame(entry, {
    ttl: 300_000,
    staleWhileRevalidate: 0,
    staleIfError: 0,
    retain: 0,
    jitter: 0,
    eager: 0,
    softTimeout: undefined,
    hardTimeout: undefined,
    memory: true,
    clone: false,
    tags: undefined,
    signal: undefined,
    epoch: undefined,
    force: false,
    schema: undefined,
  })
  t.strictSame(resolveCall({}, call), call, 'and the default of a call is that of its cache')
})

t.test('the README names every option and every error code, and no other', async (t) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const named = (title: string): string[] => {
    const [, section = ''] = readme.split(`## ${title}\n`)
    const [rows = ''] = section.split('\n## ')
    return [...rows.matchAll(/^\| `([\w.]+)`/gm)].map(([, name]) => name as string).sort()
  }
  const { call, heartbeat: _, ...options } = resolveOptions({})
  t.strictSame(named('Options of the registration'), [...Object.keys(options), 'feed.heartbeat'].sort())
  const calls = [
    'tags',
    'signal',
    'force',
    'epoch',
    'codec',
    'schema',
    'implicit',
    'cache',
    'app',
    'softTimeout',
    'hardTimeout',
  ]
  const entry = Object.keys(call).filter((name) => !calls.includes(name))
  t.strictSame(named('Options of an entry'), [...entry, 'timeout'].sort())
  const codes = Object.values(errors).map((Type) => new (Type as new () => { code: string })().code)
  const core = ['LARDER_INVALID_OPTION', 'LARDER_INVALID_KEY', 'LARDER_DUPLICATE_NAME']
  t.strictSame(named('Errors'), [...core, ...codes].sort())
})

t.test('durations are milliseconds or text, sizes bytes or text', async (t) => {
  const options = resolveOptions({
    ttl: '10m',
    staleWhileRevalidate: '1h',
    staleIfError: 1500,
    deadline: '1s',
    lease: '2s',
    replayFor: 0,
    feed: { heartbeat: '500ms' },
    memory: { maxBytes: '2kb', ttl: '1d' },
    compressAbove: '4kb',
    maxValueBytes: '1.5mb',
    timeout: { soft: '1s', hard: '2s' },
    eager: true,
  })
  t.equal(options.call.ttl, 600_000)
  t.equal(options.call.staleWhileRevalidate, 3_600_000)
  t.equal(options.call.staleIfError, 1_500)
  t.equal(options.deadline, 1_000)
  t.equal(options.lease, 2_000)
  t.equal(options.replayFor, 0)
  t.equal(options.heartbeat, 500)
  t.strictSame(options.memory, { maxEntries: 10_000, maxBytes: 2048, ttl: 86_400_000 })
  t.equal(options.compressAbove, 4096)
  t.equal(options.maxValueBytes, 1.5 * 1024 * 1024)
  t.equal(options.call.softTimeout, 1_000)
  t.equal(options.call.hardTimeout, 2_000)
  t.equal(options.call.eager, 1, 'true is a beta of 1')
  t.equal(resolveOptions({ timeout: 5 }).call.hardTimeout, 5, 'a lone duration is the hard timeout')
  t.equal(resolveOptions({ memory: false }).memory, undefined)
})

const DURATION = /a positive duration/
const DURATION_0 = /a duration of 0 or more/
const SIZE = /a positive size/
const BAD_DURATIONS = [-1, Number.NaN, Number.POSITIVE_INFINITY, 'soon', '', {}, true, null, [1]]
/** Each option with its rule and values that break it. */
const BAD: [option: string, rule: RegExp, values: unknown[]][] = [
  ['ttl', DURATION, [0, ...BAD_DURATIONS]],
  ['staleWhileRevalidate', DURATION_0, BAD_DURATIONS],
  ['staleIfError', DURATION_0, BAD_DURATIONS],
  ['jitter', /a number from 0 to 1/, [-0.1, 1.1, Number.NaN, '0.5', true, null]],
  ['eager', /a boolean or a number of 0 or more/, [-1, Number.NaN, Number.POSITIVE_INFINITY, 'yes', null]],
  ['clone', /a boolean/, [0, 'true', null]],
  ['timeout', /a positive duration or \{ soft, hard \}/, [0, -1, 'never', true, null]],
  ['timeout.soft', DURATION, [0, -1, 'never']],
  ['timeout.hard', DURATION, [0, -1, 'never']],
  ['timeout.medium', /Unknown option `timeout.medium`: expected one of `soft`, `hard`/, [1]],
]
const BAD_REGISTRATION: typeof BAD = [
  ...BAD,
  ['deadline', DURATION, [0, ...BAD_DURATIONS]],
  ['lease', DURATION, [0, ...BAD_DURATIONS]],
  ['replayFor', DURATION_0, BAD_DURATIONS],
  ['feed', /an object/, [1, 'x', [], null]],
  ['feed.heartbeat', DURATION, [0, ...BAD_DURATIONS]],
  ['feed.other', /Unknown option `feed.other`: expected one of `heartbeat`/, [1]],
  ['memory', /an object/, [true, 1, 'x', [], null]],
  ['memory.maxEntries', /a whole number of at least 1/, [0, -1, 1.5, '10', Number.NaN, Number.POSITIVE_INFINITY]],
  ['memory.maxBytes', SIZE, [0, -1, '10xb', 'much', Number.NaN, null]],
  ['memory.ttl', DURATION, [0, -1]],
  ['memory.other', /Unknown option `memory.other`/, [1]],
  ['compressAbove', SIZE, [0, -1, 'much', null]],
  ['maxValueBytes', SIZE, [0, -1, 'much', null]],
  ['outboxLimit', /a whole number of at least 1/, [0, -1, 1.5, '10']],
  ['namespace', /a non-empty string of at most 64/, ['', 'a:b', '{a}', 'a b', 'a\0', 'x'.repeat(65), 1, null]],
  ['version', /a non-empty string of at most 64/, ['', 'a:b', 1, null]],
  ['name', /a non-empty string/, ['', 1, null]],
  [
    'codec',
    /a codec/,
    ['json', {}, null, { ...codec, id: '' }, { ...codec, id: 'é' }, { ...codec, id: 'x'.repeat(33) }],
  ],
  [
    'codec',
    /a codec/,
    [
      { ...codec, encode: 1 },
      { ...codec, decode: undefined },
      { ...codec, freezable: 'yes' },
    ],
  ],
  ['redis', /an ioredis client, a namespace of @fastify\/redis or `false`/, [true, 1, {}, null]],
  ['redis', /a namespace of @fastify\/redis, and none is registered/, ['main']],
  ['other', /Unknown option `other`: expected one of .*`ttl`/, [1]],
  ['tags', /Unknown option `tags`/, [['a']]],
]
const BAD_CALL: typeof BAD = [
  ...BAD,
  ['memory', /a boolean/, [0, 'no', null, {}]],
  ['tags', /an array of non-empty strings or a function/, ['tag', [''], [1], {}, null]],
  ['signal', /an AbortSignal/, [{}, 1, new AbortController(), null]],
  ['force', /a boolean/, [1, 'yes', null]],
  ['schema', /a Standard Schema/, [{}, 1, { '~standard': {} }, null]],
  ['other', /Unknown option `other`: expected one of .*`ttl`/, [1]],
  ['namespace', /Unknown option `namespace`/, ['x']],
]

function nested(option: string, value: unknown): Record<string, unknown> {
  const [outer, inner] = option.split('.') as [string, string | undefined]
  return { [outer]: inner === undefined ? value : { [inner]: value } }
}

/** What a message says of the value. */
function shown(value: unknown): string {
  if (typeof value === 'string') return `\`'${value}'\` (string)`
  if (value === null) return '`null`'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'a object' : `\`${value}\` (${typeof value})`
}

function says(t: Test, error: unknown, [option, rule]: [string, RegExp, unknown[]], value: unknown): void {
  const { code, message } = error as { code?: string; message?: string }
  t.equal(code, 'LARDER_INVALID_OPTION', `${option} of ${String(value)}`)
  t.match(message, rule)
  t.ok(message?.includes(`\`${option}\``), `the option is named: ${message}`)
  if (!message?.startsWith('Unknown')) t.ok(message?.endsWith(`got ${shown(value)}`), `the value is shown: ${message}`)
}

t.test('a bad or unknown option of the registration is an error that names option, rule and value', async (t) => {
  for (const bad of BAD_REGISTRATION) {
    for (const value of bad[2]) {
      const app = fastify()
      const error = await app
        .register(cacheAside, { redis: false, ...nested(bad[0], value) } as CacheAsideOptions)
        .then(
          () => undefined,
          (reason: unknown) => reason,
        )
      says(t, error, bad, value)
      await app.close().catch(() => {})
    }
  }
})

t.test('a bad or unknown option of a call rejects with an error that names option, rule and value', async (t) => {
  const { cache } = await open(t, { redis: false })
  const calls: [string, (options: never) => Promise<unknown>][] = [
    ['getOrSet', (options) => cache.getOrSet('key', () => 1, options)],
    ['entry', (options) => cache.entry('key', () => 1, options)],
    ['get', (options) => cache.get('key', options)],
    ['set', (options) => cache.set('key', 1, options)],
    ['writeThrough', (options) => cache.writeThrough('key', () => 1, options)],
    ['getMany', (options) => cache.getMany(['key'], () => [1], options)],
  ]
  for (const [i, [name, call]] of calls.entries()) {
    for (const bad of BAD_CALL) {
      // All values by one method, one value by all methods.
      for (const value of i === 0 ? bad[2] : bad[2].slice(0, 1)) {
        const error = await call(nested(bad[0], value) as never).then(
          () => new Error(`${name} took it`),
          (reason: unknown) => reason,
        )
        says(t, error, bad, value)
      }
    }
    t.equal(await codeOf(call(null as never)), 'LARDER_INVALID_OPTION')
    t.equal(await codeOf(call('1m' as never)), 'LARDER_INVALID_OPTION')
    t.equal(await cache.has('key'), false, 'nothing was done')
  }
})

t.test('a bad option of a child namespace or a wrapped function throws', async (t) => {
  const { cache } = await open(t, { redis: false })
  for (const make of [
    (options: never) => cache.namespace('child', options),
    (options: never) => cache.wrap('name', () => 1, options),
  ]) {
    for (const bad of [...BAD, BAD_CALL[10] as (typeof BAD)[0]]) {
      for (const value of bad[2].slice(0, 2)) {
        try {
          make(nested(bad[0], value) as never)
          t.fail(`${bad[0]} was taken`)
        } catch (error) {
          says(t, error, bad, value)
        }
      }
    }
    for (const unknown of ['force', 'signal', 'other']) {
      t.throws(() => make({ [unknown]: true } as never), { code: 'LARDER_INVALID_OPTION' })
    }
  }
  for (const name of ['', 'a:b', '{', 'x'.repeat(65), 1, undefined]) {
    t.throws(() => cache.namespace(name as string), { code: 'LARDER_INVALID_OPTION', message: /`name`/ })
  }
  t.throws(() => cache.wrap('', () => 1), { code: 'LARDER_INVALID_OPTION', message: /`name`/ })
  t.throws(() => cache.wrap(1 as never, () => 1), { code: 'LARDER_INVALID_OPTION', message: /`name`/ })
  t.throws(() => cache.wrap('x', 'y' as never), { code: 'LARDER_INVALID_OPTION', message: /`load`/ })
  for (const [option, value] of [
    ['key', 'id'],
    ['loadMany', 1],
    ['version', 'a:b'],
    ['schema', {}],
    ['tags', 'products'],
    ['tags', [1]],
  ] as const) {
    t.throws(() => cache.wrap('x', () => 1, { [option]: value } as never), {
      code: 'LARDER_INVALID_OPTION',
      message: new RegExp(`\`${option}\``),
    })
  }
})

t.test('a loader that is no function is an error that says so', async (t) => {
  const { cache } = await open(t, { redis: false })
  for (const [name, call] of [
    ['load', cache.getOrSet('key', undefined as never)],
    ['load', cache.getOrSet('key', 'value' as never)],
    ['load', cache.entry('key', 'value' as never)],
    ['loadMany', cache.getMany(['key'], 'value' as never)],
    ['write', cache.writeThrough('key', undefined as never)],
  ] as const) {
    await t.rejects(call, {
      code: 'LARDER_INVALID_OPTION',
      message: new RegExp(`Expected \`${name}\` to be a function`),
    })
  }
})

t.test('a function of tags that returns no array of strings is an error, not a list of letters', async (t) => {
  const { cache } = await open(t, { redis: false })
  for (const told of ['products', undefined, { a: 1 }, 5]) {
    const tags = (): string[] => told as never
    t.equal(await codeOf(cache.getOrSet('key', () => 1, { tags })), 'LARDER_INVALID_OPTION')
    t.equal(await codeOf(cache.set('key', 1, { tags })), 'LARDER_INVALID_OPTION')
    t.equal(await codeOf(cache.wrap('f', () => 1, { tags })()), 'LARDER_INVALID_OPTION')
  }
  for (const told of [[''], [1], [null]]) {
    t.equal(await codeOf(cache.set('key', 1, { tags: () => told as never })), 'LARDER_INVALID_KEY')
  }
  t.equal(await cache.has('key'), false)
})

t.test('a bad key rejects with LARDER_INVALID_KEY in every method, and calls no loader', async (t) => {
  const { cache } = await open(t, { redis: false })
  const circular: unknown[] = []
  circular.push(circular)
  const load = counter(1)
  const bad: unknown[] = ['', [], [''], null, undefined, 1, true, {}, Buffer.from('key'), () => 1, Symbol('key')]
  bad.push(
    [() => 1],
    [Symbol('key')],
    ['a', circular],
    ['a', new Map()],
    ['a', Buffer.from('key')],
    ['a', new Set([1])],
  )
  bad.push(['a', /x/], ['a', new Error('x')], ['a', new URLSearchParams('q=1')], ['a', Promise.resolve()])
  for (const key of bad as string[]) {
    for (const call of [
      () => cache.getOrSet(key, load),
      () => cache.entry(key, load),
      () => cache.get(key),
      () => cache.has(key),
      () => cache.set(key, 1),
      () => cache.writeThrough(key, load),
      () => cache.getMany(['good', key], () => [load(), load()]),
      () => cache.delete('good', key),
      () => cache.expire('good', key),
    ]) {
      t.equal(await codeOf((async () => call())()), 'LARDER_INVALID_KEY', `${typeof key} ${call}`)
    }
    t.throws(() => cache.peek(key), { code: 'LARDER_INVALID_KEY' })
  }
  const get = cache.wrap('f', load, { key: () => Symbol('x') as never })
  for (const call of [get, get.refresh, get.invalidate, () => get.many([[]])]) {
    t.equal(await codeOf((async () => call())()), 'LARDER_INVALID_KEY')
  }
  t.equal(load.calls, 0)
})

t.test('tags without @larder/tags are an error that says what to register', async (t) => {
  const { cache } = await open(t, { redis: false }, { tags: false })
  const tags = ['tag']
  const expected = { code: 'LARDER_CACHE_TAGS_NOT_REGISTERED', message: /register @larder\/tags/ }
  await t.rejects(
    cache.getOrSet('key', () => 1, { tags }),
    expected,
  )
  await t.rejects(cache.set('key', 1, { tags }), expected)
  await t.rejects(
    cache.writeThrough('key', () => 1, { tags }),
    expected,
  )
  await t.rejects(
    cache.getMany(['key'], () => [1], { tags: () => tags }),
    expected,
  )
  await t.rejects(
    cache.getOrSet('key', ({ addTags }) => addTags('tag')),
    expected,
  )
  const get = cache.wrap('f', (_id: number) => 1, { tags: () => tags })
  await t.rejects(get(1), expected)
  await t.rejects(get.many([[1], [2]]), expected)
  await t.rejects(get.refresh(1), expected)
  t.equal(await cache.has('key'), false)
  t.equal(await cache.has(get.key(1)), false)
})

t.test('errors name a key as the user gave it, whatever the version', async (t) => {
  const { cache } = await open(t, { redis: false, version: 'v2', maxValueBytes: 100 })
  await t.rejects(cache.set('key', 1n), { message: 'The value of `key` cannot be encoded by the codec `json`' })
  await t.rejects(cache.set(['a', 'b'], 'x'.repeat(200)), { message: /^The value of `a:b` takes/ })
  await t.rejects(
    cache.getOrSet('key', () => new Promise(() => {}), { timeout: 1 }),
    { message: 'Loading `key` took longer than 1 ms' },
  )
})
