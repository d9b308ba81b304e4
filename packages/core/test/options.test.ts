import { decorate, json, OptionReader, parseDuration, parseSize, type RedisOption, resolveClient } from '@larder/core'
import { startRedis } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import { Cluster, Redis } from 'ioredis'
import t from 'tap'
import { client } from './setup.js'

t.test('a duration is a number of milliseconds or a string', async (t) => {
  t.equal(parseDuration(250), 250)
  t.equal(parseDuration('250ms'), 250)
  t.equal(parseDuration('5s'), 5_000)
  t.equal(parseDuration('1.5m'), 90_000)
  t.equal(parseDuration('12 hours'), 43_200_000)
  t.equal(parseDuration('1d'), 86_400_000)
  for (const value of ['', 'soon', '5 lightyears', Number.NaN, Number.POSITIVE_INFINITY, null, undefined, true, {}, []])
    t.equal(parseDuration(value), undefined, `${String(value)} is none`)
})

t.test('a size is a number of bytes or a string, in powers of 1024', async (t) => {
  t.equal(parseSize(4096), 4096)
  t.equal(parseSize('512'), 512)
  t.equal(parseSize('512b'), 512)
  t.equal(parseSize('4kb'), 4096)
  t.equal(parseSize(' 1.5 KB '), 1536)
  t.equal(parseSize('64mb'), 64 * 1024 ** 2)
  t.equal(parseSize('1GB'), 1024 ** 3)
  for (const value of ['', 'b', '-1kb', '1tb', '1k', 'ten', Number.NaN, Number.POSITIVE_INFINITY, null, undefined, {}])
    t.equal(parseSize(value), undefined, `${String(value)} is none`)
})

t.test('a bad option is named with its rule, its value and the type of that', async (t) => {
  const read = (raw: unknown, reading: (reader: OptionReader) => unknown) => () => reading(new OptionReader(raw))
  const expected: [() => unknown, string][] = [
    [read({ ttl: -1 }, (r) => r.duration('ttl', 1)), 'Expected `ttl` to be a positive duration, got `-1` (number)'],
    [read({ ttl: 0 }, (r) => r.duration('ttl', 1)), 'Expected `ttl` to be a positive duration, got `0` (number)'],
    [
      read({ ttl: 'soon' }, (r) => r.duration('ttl', 1)),
      "Expected `ttl` to be a positive duration, got `'soon'` (string)",
    ],
    [read({ ttl: null }, (r) => r.duration('ttl', 1)), 'Expected `ttl` to be a positive duration, got `null`'],
    [
      read({ ttl: -1 }, (r) => r.duration('ttl', 1, 0)),
      'Expected `ttl` to be a duration of 0 or more, got `-1` (number)',
    ],
    [
      read({ max: '0b' }, (r) => r.size('max', 1)),
      "Expected `max` to be a positive size in bytes or such as `64mb`, got `'0b'` (string)",
    ],
    [read({ n: 1.5 }, (r) => r.integer('n', 1)), 'Expected `n` to be a whole number of at least 1, got `1.5` (number)'],
    [read({ n: 2 }, (r) => r.integer('n', 1, 3)), 'Expected `n` to be a whole number of at least 3, got `2` (number)'],
    [read({ on: 'yes' }, (r) => r.boolean('on', true)), "Expected `on` to be a boolean, got `'yes'` (string)"],
    [read({ name: '' }, (r) => r.string('name', 'a')), "Expected `name` to be a non-empty string, got `''` (string)"],
    [read({ run: {} }, (r) => r.function('run', null)), 'Expected `run` to be a function, got a object'],
    [read({ signal: [] }, (r) => r.signal('signal')), 'Expected `signal` to be an AbortSignal, got an array'],
    [read('text', (r) => r), "Expected `options` to be an object, got `'text'` (string)"],
    [read({ feed: 1 }, (r) => r.nested('feed')), 'Expected `feed` to be an object, got `1` (number)'],
    [
      read({ feed: { heartbeat: 0 } }, (r) => r.nested('feed').duration('heartbeat', 1)),
      'Expected `feed.heartbeat` to be a positive duration, got `0` (number)',
    ],
  ]
  for (const [reading, message] of expected) t.throws(reading, { code: 'LARDER_INVALID_OPTION', message })
})

t.test('an option that nobody reads is unknown, also a nested one', async (t) => {
  const reader = new OptionReader({ ttl: 1, memory: { maxEntries: 1, max: 2 }, tll: 2 })
  reader.duration('ttl', 1)
  const memory = reader.nested('memory')
  memory.integer('maxEntries', 1)
  t.throws(() => reader.done(), {
    code: 'LARDER_INVALID_OPTION',
    message: 'Unknown option `tll`: expected one of `ttl`, `memory`',
  })
  t.throws(() => memory.done(), { message: 'Unknown option `memory.max`: expected one of `maxEntries`' })
  const nothing = new OptionReader(undefined)
  t.equal(nothing.duration('ttl', 7), 7)
  t.equal(nothing.nested('memory').integer('maxEntries', 9), 9)
  t.doesNotThrow(() => nothing.done())
})

t.test('a namespace has no sign that would end a prefix or a hash tag', async (t) => {
  const read = (name: unknown) => new OptionReader({ name }).namespace('name', 'larder')
  for (const name of ['shop', 'a.b/c', 'žluť', '~', 'x'.repeat(64)]) t.equal(read(name), name)
  for (const name of ['', 'a:b', '{a', 'a}', 'a b', 'a\nb', 'a\0', '\u200b', 'x'.repeat(65), 1, null])
    t.throws(() => read(name), { code: 'LARDER_INVALID_OPTION' }, `${JSON.stringify(name)} is refused`)
})

t.test('JSON is the default codec', async (t) => {
  t.same(json.decode(Buffer.from(json.encode({ a: [1, null] }) as string)), { a: [1, null] })
  t.equal(json.encode(undefined), undefined)
  t.equal(json.freezable, true)
})

t.test('a plugin decorates with an instance, and under a name with a further one, in any order', async (t) => {
  for (const names of [
    [undefined, 'one', 'two'],
    ['one', undefined, 'two'],
    ['one', 'two', undefined],
  ]) {
    const app = fastify()
    t.teardown(() => app.close())
    for (const name of names) decorate(app, 'thing', { label: name ?? 'default' }, name)
    const { thing } = app as unknown as { thing: Record<string, unknown> & { label: string } }
    t.equal(thing.label, 'default')
    t.match(thing.one, { label: 'one' })
    t.match(thing.two, { label: 'two' })
  }
})

t.test('a name is taken once', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  class Thing {
    get(): void {}
  }
  decorate(app, 'thing', new Thing())
  decorate(app, 'thing', {}, 'one')
  t.throws(() => decorate(app, 'thing', {}), {
    code: 'LARDER_DUPLICATE_NAME',
    message: 'fastify.thing is already registered: give this registration a `name` of its own',
  })
  t.throws(() => decorate(app, 'thing', {}, 'one'), {
    code: 'LARDER_DUPLICATE_NAME',
    message: 'fastify.thing is already registered under the name `one`: give this registration a `name` of its own',
  })
  t.throws(() => decorate(app, 'thing', {}, 'get'), { code: 'LARDER_INVALID_OPTION', message: /`name` to be free/ })
  t.doesNotThrow(() => decorate(app, 'other', {}), 'another decorator has names of its own')
})

t.test('an encapsulated registration is seen by its children and by nobody else', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  // As fastify-plugin marks a plugin.
  const register = (label: string) =>
    Object.assign(async (scope: FastifyInstance) => decorate(scope, 'thing', { label }), {
      [Symbol.for('skip-override')]: true,
    })
  const seen: Record<string, unknown> = {}
  const look = (scope: FastifyInstance, name: string) => {
    seen[name] = (scope as { thing?: { label: string } }).thing?.label
  }
  for (const label of ['left', 'right']) {
    app.register(async (scope) => {
      await scope.register(register(label))
      look(scope, label)
      await scope.register(async (child) => look(child, `${label} child`))
      t.throws(() => decorate(scope, 'thing', {}), { code: 'LARDER_DUPLICATE_NAME' })
    })
  }
  await app.ready()
  look(app, 'root')
  t.match(seen, { left: 'left', 'left child': 'left', right: 'right', 'right child': 'right', root: undefined })
})

/** An application whose log is kept. */
function logged(): { app: FastifyInstance; warnings: () => string[] } {
  const lines: string[] = []
  const app = fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } })
  return { app, warnings: () => lines.map((line) => JSON.parse(line).msg) }
}

t.test('the client is the one that was given, else that of @fastify/redis, else none with a warning', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const mine = client(t, server)
  const theirs = client(t, server)
  const { app, warnings } = logged()
  t.teardown(() => app.close())
  t.equal(resolveClient(app, mine, '@larder/x'), mine)
  t.equal(resolveClient(app, false, '@larder/x'), undefined)
  t.same(warnings(), [], 'memory that was asked for is no surprise')
  t.equal(resolveClient(app, undefined, '@larder/x'), undefined)
  t.match(warnings(), [/@larder\/x has no Redis and keeps everything in the memory of this process/])
  t.throws(() => resolveClient(app, 'cache', '@larder/x'), {
    code: 'LARDER_INVALID_OPTION',
    message: "Expected `redis` to be a namespace of @fastify/redis, and none is registered, got `'cache'` (string)",
  })
  app.decorate('redis', theirs as never)
  t.equal(resolveClient(app, undefined, '@larder/x'), theirs)
  t.equal(resolveClient(app, mine, '@larder/x'), mine)
  t.equal(resolveClient(app, false, '@larder/x'), undefined)
})

t.test('a namespace of @fastify/redis is named', async (t) => {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const one = client(t, server)
  const two = client(t, server)
  const app = fastify()
  t.teardown(() => app.close())
  app.decorate('redis', { one, two } as never)
  t.equal(resolveClient(app, 'two', '@larder/x'), two)
  t.throws(() => resolveClient(app, undefined, '@larder/x'), {
    code: 'LARDER_INVALID_OPTION',
    message: 'Expected `redis` to name the namespace of @fastify/redis to use, one of `one`, `two`',
  })
  t.throws(() => resolveClient(app, 'three', '@larder/x'), {
    message: "Expected `redis` to be a namespace of @fastify/redis (`one`, `two`), got `'three'` (string)",
  })
})

t.test('what is no client of ioredis is refused', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  for (const option of [{}, null, 6379, true, new Map(), () => {}])
    t.throws(() => resolveClient(app, option as RedisOption, '@larder/x'), {
      code: 'LARDER_INVALID_OPTION',
      message: /`redis` to be an ioredis client, a namespace of @fastify\/redis or `false`/,
    })
  const lazy = new Redis({ lazyConnect: true })
  t.equal(resolveClient(app, lazy, '@larder/x'), lazy, 'it need not be connected')
})

t.test('a Cluster that reads from replicas is refused: they may not have what was acknowledged', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  const nodes = [{ host: '127.0.0.1', port: 1 }]
  for (const scaleReads of ['slave', 'all', () => []] as const) {
    const redis = new Cluster(nodes, { lazyConnect: true, scaleReads })
    t.throws(() => resolveClient(app, redis, '@larder/x'), {
      code: 'LARDER_INVALID_OPTION',
      message: /`redis` to be a Cluster that reads from its masters, `scaleReads: 'master'`/,
    })
  }
  const redis = new Cluster(nodes, { lazyConnect: true })
  t.equal(resolveClient(app, redis, '@larder/x'), redis)
})
