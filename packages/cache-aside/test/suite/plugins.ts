import type { LoadContext } from '@larder/cache-aside'
import { pollUntil } from '@larder/test-redis'
import type { Test } from 'tap'
import { codeOf, counter, type Site } from '../setup.js'

/** What plugins that keep things of their own in the cache need beside what applications do. */
export function plugins(t: Test, site: Site): void {
  t.test('a child namespace may have a codec of its own, whose immutable values all share', async (t) => {
    const codec = {
      id: 'bytes',
      encode: (value: unknown) => (value as { bytes: Buffer }).bytes,
      decode: (bytes: Buffer) => ({ bytes: Buffer.from(bytes) }),
      freezable: false,
      immutable: true,
    }
    const { cache, namespace } = await site.open(t)
    const child = cache.namespace('bytes', { codec })
    const other = site.shared ? (await site.open(t, { namespace })).cache.namespace('bytes', { codec }) : child
    const first = await child.getOrSet('key', () => ({ bytes: Buffer.from('abc') }))
    t.equal(String(first.bytes), 'abc')
    t.equal(String((await other.get<typeof first>('key'))?.bytes), 'abc')
    if (site.memory) t.equal(await other.get('key'), await other.get('key'), 'the very same')
    t.equal(await cache.namespace('bytes').get('key'), undefined, 'of another codec it is a miss')
  })

  t.test('a fresh entry of this process is told with its dates, at once', async (t) => {
    const { cache } = await site.open(t)
    t.equal(cache.local('key'), undefined)
    const before = cache.now()
    await cache.getOrSet('key', () => 1, { ttl: '1m' })
    await pollUntil('a copy', async () => {
      await cache.get('key')
      return !site.memory || cache.local('key') !== undefined
    })
    const local = cache.local<number>('key')
    if (!site.memory) return void t.equal(local, undefined)
    t.equal(local?.value, 1)
    t.ok((local?.created as number) >= before - 1 && (local?.created as number) <= cache.now() + 1)
    t.equal((local?.freshUntil as number) - (local?.created as number), 60_000)
  })

  t.test('what is retained is given to the loader alone, once it has expired', async (t) => {
    const { cache } = await site.open(t)
    const child = cache.namespace('retaining', { retain: '1m' })
    const load = counter(1)
    await child.getOrSet('key', (context) => {
      context.setTtl(0, { retain: '1m' })
      return load()
    })
    t.equal(await child.get('key'), undefined)
    const stale: unknown[] = []
    const again = await child.getOrSet('key', (context) => {
      stale.push(context.stale)
      return 2
    })
    t.strictSame([again, stale], [2, [1]])
  })

  t.test('a loader may keep its value for other windows, and knows whether somebody waits', async (t) => {
    const { cache } = await site.open(t)
    const contexts: LoadContext[] = []
    const load = (context: LoadContext): number => {
      contexts.push(context)
      context.setTtl(0, { staleWhileRevalidate: '1m' })
      return contexts.length
    }
    t.equal(await cache.getOrSet('key', load), 1)
    t.equal((await cache.entry('key', load)).state, 'stale')
    await pollUntil('the refresh', () => contexts.length > 1)
    t.strictSame(
      contexts.slice(0, 2).map(({ background }) => background),
      [false, true],
    )
    t.equal(await codeOf(cache.getOrSet('bad', ({ setTtl }) => setTtl(1, { retain: -1 }))), 'LARDER_INVALID_OPTION')
  })

  t.test('what a load stores beside its value is as old as the load (G1)', async (t) => {
    const { cache } = await site.open(t)
    await cache.getOrSet('key', async ({ epoch }) => {
      await cache.set('beside', 'fresh', { epoch })
      t.equal(await cache.get('beside'), 'fresh')
      await cache.clear()
      await cache.set('beside', 'old', { epoch })
      return 1
    })
    t.equal(await cache.get('beside'), undefined)
    await cache.set('beside', 'of no load', { epoch: 0 })
    t.equal(await cache.get('beside'), undefined)
  })
}
