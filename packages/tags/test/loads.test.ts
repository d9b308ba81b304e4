import type { Load } from '@larder/cache-aside'
import t from 'tap'
import { Gate, onEachSite } from './setup.js'

/* An invalidation that comes while something is loaded or written, wherever a cache keeps its entries. */

await onEachSite(t, (t, site) => {
  const ways: [name: string, options: object, load: (gate: Gate<string>) => Load<string>][] = [
    ['given', { tags: ['tag'] }, (gate) => gate.load],
    ['computed from the value', { tags: (value: string) => [value.slice(0, 3)] }, (gate) => gate.load],
    [
      'added by the loader',
      {},
      (gate) => async (context) => {
        const value = await gate.load()
        context.addTags('tag')
        return value
      },
    ],
  ]
  for (const [name, options, load] of ways) {
    t.test(`G1: a load that a tag’s invalidation overtook is given to nobody who asks later (${name})`, async (t) => {
      const { cache, tags } = await site.open(t)
      for (const round of ['unknown tag', 'known tag']) {
        const gate = new Gate<string>()
        const early = cache.getOrSet('key', load(gate), options)
        await gate.begun()
        await tags.invalidate('tag')
        const late = cache.getOrSet('key', load(gate), options)
        const entry = cache.entry('key', load(gate), options)
        gate.open('tag old')
        t.equal(await early, 'tag old', round)
        await gate.begun(2)
        gate.open('tag new')
        t.equal(await late, 'tag new', round)
        t.equal((await entry).value, 'tag new', round)
        t.equal(await cache.get('key'), 'tag new', round)
        t.equal(gate.calls, 2)
        await cache.delete('key')
      }
    })

    t.test(`G1: an invalidation between the end of a load and its storing is not lost (${name})`, async (t) => {
      const { cache, tags } = await site.open(t)
      for (let turns = 0; turns < 12; turns++) {
        const gate = new Gate<string>()
        const early = cache.getOrSet('key', load(gate), options)
        await gate.begun()
        gate.open('tag old')
        // Lets the storing get as far as it gets in so many turns.
        for (let i = 0; i < turns; i++) await (turns % 2 ? null : new Promise(setImmediate))
        await tags.invalidate('tag')
        t.equal(await cache.get('key'), undefined)
        await early
        t.equal(await cache.get('key'), undefined)
      }
    })
  }

  t.test('G1: a soft invalidation during a load leaves it stale, not fresh', async (t) => {
    const { cache, tags } = await site.open(t)
    const gate = new Gate<string>()
    const early = cache.getOrSet('key', gate.load, { tags: ['tag'], staleWhileRevalidate: '1m' })
    await gate.begun()
    await tags.invalidate('tag', { soft: true })
    gate.open('old')
    await early
    const entry = await cache.entry('key')
    t.not(entry.state, 'hit')
  })

  t.test('G1: a refresh of a stale entry that a hard invalidation overtook is not stored', async (t) => {
    const { cache, tags } = await site.open(t)
    const options = { tags: ['tag'], staleWhileRevalidate: '1m' }
    await cache.set('key', 'first', options)
    await tags.invalidate('tag', { soft: true })
    const gate = new Gate<string>()
    t.equal(await cache.getOrSet('key', gate.load, options), 'first')
    await gate.begun()
    await tags.invalidate('tag')
    gate.open('second')
    t.equal(await cache.getOrSet('key', () => 'third', options), 'third')
    t.equal(await cache.get('key'), 'third')
  })

  t.test('G1: a write-through that an invalidation overtook is not kept', async (t) => {
    const { cache, tags } = await site.open(t)
    const gate = new Gate<string>()
    const writing = cache.writeThrough('key', gate.load, { tags: ['tag'] })
    await gate.begun()
    await tags.invalidate('tag')
    gate.open('old')
    t.equal(await writing, 'old')
    t.equal(await cache.get('key'), undefined)
  })

  t.test('G1: a batch load that an invalidation overtook is not kept', async (t) => {
    const { cache, tags } = await site.open(t)
    const gate = new Gate<string[]>()
    const early = cache.getMany(['a', 'b'], gate.load, { tags: ['tag'] })
    await gate.begun()
    await tags.invalidate('tag')
    gate.open(['old', 'old'])
    t.strictSame(await early, ['old', 'old'])
    t.strictSame(await cache.getMany(['a', 'b']), [undefined, undefined])
  })

  t.test('G3: a tag that is evicted during a load costs a load, and brings nothing back', async (t) => {
    if (!site.shared) return t.pass('nobody evicts tags in memory')
    const { cache, tags, namespace } = await site.open(t)
    for (const evicted of [[`{${namespace}}:t:tag`], [`{${namespace}}:t:tag`, `{${namespace}}:clock`]]) {
      await cache.getOrSet('other', () => 1, { tags: ['tag'] })
      const gate = new Gate<string>()
      const early = cache.getOrSet('key', gate.load, { tags: ['tag'] })
      await gate.begun()
      await tags.invalidate('tag')
      for (const key of evicted) await site.cli('DEL', key)
      gate.open('old')
      await early
      t.equal(await cache.getOrSet('key', () => 'new', { tags: ['tag'] }), 'new')
      t.equal(await cache.get('other'), undefined)
      await cache.delete('key', 'other')
    }
  })
})
