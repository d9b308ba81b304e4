import { once } from 'node:events'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, counter, Gate, joined, type Site } from '../setup.js'

/** Loaders: what they are given, and who waits for them. */
export function loading(t: Test, site: Site): void {
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
    t.ok((await cache.entry('skipped', ({ skip }) => skip())).ttl <= 0, 'what is not kept is not fresh for any time')
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
