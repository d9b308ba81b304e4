import { pollUntil } from '@larder/test-redis'
import t from 'tap'
import { Gate, kept, onEachSite } from './setup.js'

/* Two processes, as far as the cache is concerned, that share their entries. */

await onEachSite(t, (t, site) => {
  if (!site.shared) return
  t.test('G1: another process hears of it, and never goes back', async (t) => {
    const one = await site.open(t)
    const two = await site.open(t, { namespace: one.namespace })
    let value = 0
    const read = () => two.cache.getOrSet('key', () => value, { tags: ['tag'] })
    for (let round = 1; round <= 10; round++) {
      t.equal(await read(), value)
      await kept(site, two.cache, 'key')
      value = round
      await one.tags.invalidate('tag')
      await pollUntil('the news', async () => (await read()) === round)
      for (let i = 0; i < 20; i++) if ((await read()) !== round) t.fail('it went back')
    }
  })

  t.test(
    'G1: a load under way in another process when it heard of it is not joined any more, nor stored',
    async (t) => {
      const one = await site.open(t)
      const two = await site.open(t, { namespace: one.namespace })
      await two.cache.getOrSet('other', () => 1, { tags: ['tag'] })
      await kept(site, two.cache, 'other')
      const gate = new Gate<string>()
      const early = two.cache.getOrSet('key', gate.load, { tags: ['tag'] })
      await gate.begun()
      await one.tags.invalidate('tag')
      await pollUntil('the news', async () => (await two.cache.get('other')) === undefined)
      const late = two.cache.getOrSet('key', gate.load, { tags: ['tag'] })
      gate.open('old')
      t.equal(await early, 'old')
      await gate.begun(2)
      gate.open('new')
      t.equal(await late, 'new')
      t.equal(await one.cache.get('key'), 'new')
    },
  )

  t.test('G1: a process that waits for another one’s load does not take what an invalidation overtook', async (t) => {
    const one = await site.open(t)
    const two = await site.open(t, { namespace: one.namespace })
    const gate = new Gate<string>()
    const early = one.cache.getOrSet('key', gate.load, { tags: ['tag'] })
    await gate.begun()
    await two.tags.invalidate('tag')
    const own = new Gate<string>()
    const late = two.cache.getOrSet('key', own.load, { tags: ['tag'] })
    gate.open('old')
    t.equal(await early, 'old')
    await own.begun()
    own.open('new')
    t.equal(await late, 'new')
  })

  t.test('G3: tags and clock that are deleted cost loads, and bring nothing back', async (t) => {
    const one = await site.open(t)
    const two = await site.open(t, { namespace: one.namespace })
    const key = (name: string) => `{${one.namespace}}:${name}`
    let value = 0
    const read = (cache: typeof one.cache) => cache.getOrSet('key', () => value, { tags: ['tag'] })
    for (let round = 1; round <= 10; round++) {
      await read(one.cache)
      await read(two.cache)
      if (round % 2) await site.cli('DEL', key('t:tag'))
      value = round
      await one.tags.invalidate('tag')
      if (round % 3) await site.cli('DEL', key('clock'))
      if (round % 5 === 0) await site.cli('DEL', key('t::'))
      t.equal(await read(one.cache), round)
      await pollUntil('the news', async () => (await read(two.cache)) === round)
    }
  })
})
