import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { askState } from '@larder/core'
import writeBehind, { type WriteBehindEvent } from '@larder/write-behind'
import fastify from 'fastify'
import t from 'tap'
import { codeOf, gate } from './setup.js'

type Options = Record<string, unknown>

async function register(options: Options): Promise<string | undefined> {
  const app = fastify()
  const message = await app.register(writeBehind, { redis: false, ...options }).then(
    () => undefined,
    (error: Error) => `${(error as Error & { code?: string }).code} ${error.message}`,
  )
  await app.close()
  return message
}

t.test('bad options are named at registration, and when a counter or queue is made', async (t) => {
  const bad: [Options, RegExp][] = [
    [{ every: 0 }, /`every` to be a positive duration, got `0`/],
    [{ every: 'soon' }, /`every`/],
    [{ maxPending: 0 }, /`maxPending` to be a whole number of at least 1/],
    [{ maxPending: 3, shards: 4 }, /`maxPending` to be at least the number of `shards`/],
    [{ onFull: 'drop' }, /`onFull` to be 'reject' or 'wait', got `'drop'`/],
    [{ wait: -1 }, /`wait`/],
    [{ maxKept: -1 }, /`maxKept`/],
    [{ attempts: 0 }, /`attempts`/],
    [{ retryDelay: -1 }, /`retryDelay`/],
    [{ maxRetryDelay: '1 eon' }, /`maxRetryDelay`/],
    [{ retry: true }, /`retry` to be a function/],
    [{ timeout: 0 }, /`timeout`/],
    [{ lease: 0 }, /`lease`/],
    [{ shards: 1.5 }, /`shards`/],
    [{ deadline: 0 }, /`deadline`/],
    [{ closeTimeout: -1 }, /`closeTimeout`/],
    [{ namespace: 'a:b' }, /`namespace`/],
    [{ redis: 42 }, /`redis`/],
    [{ flush: () => {} }, /Unknown option `flush`/],
  ]
  for (const [options, rule] of bad) {
    const message = await register(options)
    t.match(message, /^LARDER_INVALID_OPTION /)
    t.match(message, rule)
  }
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(writeBehind, { redis: false })
  const flush = () => {}
  t.throws(() => app.writeBehind.counter('a', {} as never), { code: 'LARDER_INVALID_OPTION', message: /`flush`/ })
  t.throws(() => app.writeBehind.counter('a', { flush, coalesce: 'sum' } as never), { message: /Unknown option/ })
  t.throws(() => app.writeBehind.queue('a', { flush, coalesce: 'first' } as never), { message: /`coalesce`/ })
  t.throws(() => app.writeBehind.counter('', { flush }), { code: 'LARDER_INVALID_KEY' })
  app.writeBehind.counter('a', { flush })
})

t.test('options of a registration are the defaults of its counters and queues', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(writeBehind, { redis: false, every: '1h', maxPending: 1, closeTimeout: 0 })
  const stuck = gate()
  const views = app.writeBehind.counter('views', { flush: () => stuck.opened })
  const roomy = app.writeBehind.counter('roomy', { flush: () => stuck.opened, maxPending: 2 })
  const codes = (counter: typeof views) => Promise.all(['a', 'b'].map((key) => codeOf(counter.increment(key))))
  t.strictSame(await codes(views), [undefined, 'LARDER_WRITE_BEHIND_FULL'])
  t.strictSame(await codes(roomy), [undefined, undefined])
})

t.test('a second registration has a name, and counters of its own namespace', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(writeBehind, { redis: false })
  await app.register(writeBehind, { redis: false, name: 'audit', namespace: 'audit' })
  const { audit } = app.writeBehind as unknown as { audit: typeof app.writeBehind }
  const one = app.writeBehind.counter('n', { flush: () => {} })
  const two = audit.counter('n', { flush: () => {} })
  await one.increment('a')
  t.equal(await two.pending('a'), 0)
  await t.rejects(async () => await app.register(writeBehind, { redis: false }), { code: 'LARDER_DUPLICATE_NAME' })
})

t.test('one flush() is a barrier for all of a registration', async (t) => {
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(writeBehind, { redis: false, every: '1h' })
  const flushed: string[] = []
  const flush = ({ name }: { name: string }): unknown => flushed.push(name)
  await app.writeBehind.counter('views', { flush }).increment('a')
  await app.writeBehind.queue<number>('edits', { flush }).put('a', 1)
  await app.writeBehind.flush()
  t.strictSame(flushed.sort(), ['edits', 'views'])
})

t.test('what happens is told on the diagnostics channel, and asked for as state', async (t) => {
  const app = fastify()
  const events: WriteBehindEvent[] = []
  const hear = (event: unknown): void => {
    if ((event as WriteBehindEvent).app === app.server) events.push(event as WriteBehindEvent)
  }
  subscribe('larder:write-behind', hear)
  t.teardown(() => unsubscribe('larder:write-behind', hear))
  await app.register(writeBehind, { redis: false, namespace: 'shop', every: '1h', retryDelay: 1 })
  const fails = new Set([1, 3, 4])
  let calls = 0
  const views = app.writeBehind.counter('views', {
    attempts: 2,
    flush: () => {
      if (fails.has(++calls)) throw new Error('no')
    },
  })
  await views.increment('a')
  await views.flush()
  await views.increment('a')
  await codeOf(views.flush())
  const at = { writeBehind: 'shop', name: 'views', shard: 0 }
  t.match(events, [
    { ...at, type: 'stored', entries: 1 },
    { ...at, type: 'failed', entries: 1, attempt: 1, retryIn: Number, error: Error },
    { ...at, type: 'flushed', entries: 1, attempt: 2, took: Number, id: String },
    { ...at, type: 'stored' },
    { ...at, type: 'failed', attempt: 1 },
    { ...at, type: 'dead', attempt: 2, error: Error },
  ])
  t.match(askState(app.server), [
    { plugin: 'write-behind', name: 'shop', part: 'views', values: { unsent: 0, waiting: 0 } },
  ])
  await app.close()
  t.strictSame(askState(app.server), [])
})

t.test('without a Redis it says so once, and works', async (t) => {
  const warnings: string[] = []
  const stream = { write: (line: string) => void warnings.push(JSON.parse(line).msg) }
  const app = fastify({ logger: { level: 'warn', stream } })
  await app.register(writeBehind)
  t.equal(warnings.length, 1)
  t.match(warnings[0], /@larder\/write-behind has no Redis/)
  await app.close()
})
