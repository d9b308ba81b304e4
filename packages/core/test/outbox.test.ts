import { encodeTag, type Invalidation, type Namespace, namespaceTag, type Outbox, type Tag } from '@larder/core'
import { pollUntil, type RedisServer, startRedis } from '@larder/test-redis'
import t from 'tap'
import { client, Ear, namespaceOf, type T, trusted } from './setup.js'

/** A namespace on a server of its own. */
async function opened(t: T, options: Parameters<typeof namespaceOf>[2] = {}) {
  const server = await startRedis()
  t.teardown(() => server.stop())
  const namespace = namespaceOf(t, client(t, server, { retryStrategy: () => 10 }), options)
  await trusted(namespace)
  return { server, namespace, outbox: namespace.outbox as Outbox }
}

/** Makes tags, and resolves with an epoch at which they are valid when this process knows them for good. */
async function known(server: RedisServer, namespace: Namespace, ...tags: Tag[]): Promise<number> {
  const epoch = await namespace.epochs.ensure(tags, 1_000)
  // Their making is told, too: whatever is told after it was told before a marker is.
  const ear = new Ear()
  const end = namespace.listen(ear)
  await server.cli('SET', namespace.entryKey('marker'), 1)
  await ear.until('marker')
  end()
  await namespace.epochs.check(tags, epoch)
  return epoch
}

async function away(server: RedisServer, namespace: Namespace): Promise<void> {
  const down = new Promise<void>((resolve) => namespace.gate?.breaker.onChange((up) => up || resolve()))
  await server.kill()
  await down
}

function back(namespace: Namespace): Promise<void> {
  return pollUntil('the breaker to close', () => namespace.gate?.up === true)
}

/** An invalidation that counts, and that a test may hold back. */
function counting(id: string, hold?: Promise<unknown>) {
  const one = { id, applied: 0, done: 0 }
  const invalidation: Invalidation = {
    id,
    apply: async (redis) => {
      one.applied++
      await hold
      await redis.call('incr', [`count ${id}`])
    },
    done: () => {
      one.done++
    },
  }
  return Object.assign(one, { invalidation })
}

/** Lets time pass that only a clock can tell. */
function pass(milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds
  return pollUntil('time to pass', () => performance.now() > end)
}

t.test('G8: what is invalidated with Redis away is kept once each, and applied before anybody reads', async (t) => {
  const { server, namespace, outbox } = await opened(t)
  await away(server, namespace)
  const [a, b] = [counting('a'), counting('b')]
  for (let i = 0; i < 5; i++) await outbox.run(a.invalidation)
  await outbox.run(b.invalidation)
  t.equal(outbox.pending, 2)
  t.equal(a.applied, 0)
  let atUp: number[] = []
  namespace.gate?.breaker.onChange((up) => {
    if (up) atUp = [a.applied, b.applied, a.done, b.done]
  })
  await server.start()
  await back(namespace)
  // Once at least: the feed repeats what was acknowledged lately before it is trusted again, and may have been first.
  t.ok(atUp.slice(0, 2).every((times) => times === 1 || times === 2))
  t.same(atUp.slice(2), [5, 1])
  t.equal(outbox.pending, 0)
  t.ok(Number(await server.cli('GET', 'count a')) >= 1)
})

t.test('G8: it holds in this process from its call on', async (t) => {
  const { server, namespace } = await opened(t)
  const [tag, soft] = [encodeTag('tag'), encodeTag('soft')]
  const epoch = await known(server, namespace, tag, soft)
  await away(server, namespace)
  const started = performance.now()
  await namespace.invalidate([tag], 'hard')
  await namespace.invalidate([soft], 'soft')
  t.ok(performance.now() - started < 100, 'and nobody waits')
  t.equal(namespace.epochs.lastVerdict([tag], epoch), 'invalid')
  t.equal(namespace.epochs.lastVerdict([soft], epoch), 'stale')
  await server.start()
  await back(namespace)
  t.equal(await namespace.epochs.check([tag], epoch), 'invalid')
})

t.test('G8: what is invalidated while the kept ones are replayed is not forgotten', async (t) => {
  const { server, namespace, outbox } = await opened(t)
  await away(server, namespace)
  let release = (): void => {}
  const slow = counting('slow', new Promise<void>((resolve) => (release = resolve)))
  await outbox.run(slow.invalidation)
  await server.start()
  await pollUntil('the replay', () => slow.applied > 0)
  t.equal(namespace.gate?.up, false)
  await server.cli('SET', namespace.entryKey('key'), 'old')
  await namespace.remove('key')
  t.equal(await server.cli('EXISTS', namespace.entryKey('key')), 0, 'it was sent at once')
  t.equal(namespace.gate?.up, false)
  const late = counting('late', new Promise(() => {}))
  void outbox.run(late.invalidation)
  t.equal(late.applied, 1)
  t.equal(outbox.pending, 2)
  release()
  await back(namespace)
  t.equal(outbox.pending, 1, 'what was sent is not waited for')
})

t.test('G8: what fails while the kept ones are replayed is replayed, too', async (t) => {
  const { server, namespace, outbox } = await opened(t)
  await away(server, namespace)
  let release = (): void => {}
  const slow = counting('slow', new Promise<void>((resolve) => (release = resolve)))
  await outbox.run(slow.invalidation)
  await server.start()
  await pollUntil('the replay', () => slow.applied > 0)
  let attempts = 0
  const failing: Invalidation = {
    id: 'failing',
    apply: async () => {
      if (++attempts === 1) throw new Error('the first time')
    },
  }
  await outbox.run(failing)
  release()
  await back(namespace)
  t.ok(attempts >= 2)
  t.equal(outbox.pending, 0)
})

t.test('G8: trust in Redis and its feed waits for the replay', async (t) => {
  const { server, namespace, outbox } = await opened(t)
  await away(server, namespace)
  let release = (): void => {}
  const slow = counting('slow', new Promise<void>((resolve) => (release = resolve)))
  await outbox.run(slow.invalidation)
  await server.start()
  await pollUntil('the replay', () => slow.applied > 0)
  await server.cli('PING')
  // A feed that is connected before the client is waits for nothing: the breaker lets nobody read.
  t.equal(namespace.trusted() && namespace.gate?.up, false)
  release()
  await trusted(namespace)
  await back(namespace)
})

t.test(
  'what was acknowledged shortly before the connection was lost is repeated, however long it was away',
  async (t) => {
    const { server, namespace, outbox } = await opened(t, { replayFor: 200 })
    const old = counting('old')
    await outbox.run(old.invalidation)
    await pass(300)
    const young = counting('young')
    await outbox.run(young.invalidation)
    t.same([old.done, young.done], [1, 1])
    await away(server, namespace)
    await pass(400)
    await server.start()
    await back(namespace)
    await trusted(namespace)
    t.equal(old.applied, 1)
    t.ok(young.applied >= 2)
    t.equal(young.done, 1)
    t.equal(await server.cli('EXISTS', 'count young'), 1, 'the empty Redis has it')
  },
)

t.test('a feed that alone was lost repeats them before it is trusted', async (t) => {
  const { server, namespace, outbox } = await opened(t)
  const ear = Ear.of(t, namespace)
  const one = counting('one')
  await outbox.run(one.invalidation)
  await server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await ear.until('distrusted')
  await trusted(namespace)
  t.equal(one.applied, 2)
})

t.test('with replayFor 0 nothing is repeated', async (t) => {
  const { server, namespace, outbox } = await opened(t, { replayFor: 0 })
  const one = counting('one')
  await outbox.run(one.invalidation)
  await pass(5)
  await away(server, namespace)
  await server.start()
  await back(namespace)
  t.equal(one.applied, 1)
})

t.test(
  'G8: too many to keep become an invalidation of the namespace, here at once and there at the replay',
  async (t) => {
    const { server, namespace, outbox } = await opened(t, { outboxLimit: 5 })
    const tag = namespaceTag('')
    const epoch = await known(server, namespace, tag)
    await away(server, namespace)
    const all = Array.from({ length: 5 }, (_, i) => counting(`number ${i}`))
    for (const { invalidation } of all) await outbox.run(invalidation)
    t.equal(outbox.pending, 5)
    t.equal(namespace.epochs.lastVerdict([tag], epoch), 'fresh')
    const last = counting('last')
    await outbox.run(last.invalidation)
    t.equal(outbox.pending, 1)
    t.equal(namespace.epochs.lastVerdict([tag], epoch), 'invalid')
    await outbox.run(counting('later').invalidation)
    t.equal(outbox.pending, 2)
    await server.start()
    await server.cli('SET', `{${namespace.name}}:t:${tag}`, '1 1 0')
    await back(namespace)
    // The feed repeats it before it is trusted.
    await trusted(namespace)
    t.equal(outbox.pending, 0)
    t.ok([...all, last].every(({ applied, done }) => applied === 0 && done === 1))
    const raised = await namespace.epochs.raised(tag)
    t.ok(raised && raised > epoch)
    const fresh = await namespace.epochs.ensure([tag], 1_000)
    t.equal(await namespace.epochs.check([tag], fresh), 'fresh', 'and then it is over')
  },
)

t.test('too many acknowledged ones become one, too, when they have to be repeated', async (t) => {
  const { server, namespace, outbox } = await opened(t, { outboxLimit: 5 })
  const tag = namespaceTag('')
  const epoch = await known(server, namespace, tag)
  const all = Array.from({ length: 20 }, (_, i) => counting(`number ${i}`))
  for (const { invalidation } of all) await outbox.run(invalidation)
  t.equal(await namespace.epochs.check([tag], epoch), 'fresh')
  await away(server, namespace)
  await server.start()
  await back(namespace)
  t.equal(await namespace.epochs.check([tag], epoch), 'invalid')
})

t.test('what Redis refuses opens the breaker until it takes it', async (t) => {
  const { server, namespace, outbox } = await opened(t)
  const other = await startRedis()
  t.teardown(() => other.stop())
  const tag = encodeTag('tag')
  const epoch = await namespace.epochs.ensure([tag], 1_000)
  await server.cli('REPLICAOF', other.host, other.port)
  await namespace.invalidate([tag], 'hard')
  t.equal(namespace.gate?.up, false)
  t.equal(outbox.pending, 1)
  await server.cli('REPLICAOF', 'NO', 'ONE')
  await back(namespace)
  t.equal(outbox.pending, 0)
  t.equal(await namespace.epochs.check([tag], epoch), 'invalid')
})

t.test('of two that are the same the later one stands for both', async (t) => {
  const { server, outbox } = await opened(t)
  let release = (): void => {}
  const first = counting('same', new Promise<void>((resolve) => (release = resolve)))
  const running = outbox.run(first.invalidation)
  const second = counting('same')
  await outbox.run(second.invalidation)
  t.same([first.done, second.done], [0, 1])
  release()
  await running
  t.same([first.done, second.done], [1, 1])
  t.equal(outbox.pending, 0)
  t.equal(await server.cli('GET', 'count same'), '2')
})
