import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, Gate, type Site } from '../setup.js'

/** Loads that take too long. */
export function timeouts(t: Test, site: Site): void {
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
    await gate.begun()
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
