import { type CacheEvent, cacheChannel } from '@larder/cache-aside'
import t from 'tap'
import { open } from './setup.js'

t.test('a call tells on the channel larder:cache how it was answered', async (t) => {
  const { app, cache, namespace } = await open(t, { redis: false })
  const events: CacheEvent[] = []
  const listen = (event: unknown): void => void events.push(event as CacheEvent)
  cacheChannel.subscribe(listen)
  t.teardown(() => cacheChannel.unsubscribe(listen))
  const during = async (act: () => Promise<unknown>): Promise<unknown[]> => {
    events.length = 0
    await act().catch(() => {})
    const told = events.filter(({ type }) => type !== 'store')
    return told.map((event) => {
      t.equal(event.app, app.server)
      t.equal(event.cache, act.toString().includes('child') ? 'child' : namespace)
      if (event.type === 'read') return `${event.state} ${event.layer}`
      if (event.type === 'invalidate') return event.what
      if (event.type === 'load') return event.failed ? 'load failed' : 'load'
      return event.type
    })
  }
  const child = cache.namespace('child')
  t.strictSame(await during(() => cache.getOrSet('key', () => 1)), ['load', 'miss store'])
  t.strictSame(await during(() => cache.getOrSet('key', () => 1)), ['hit memory'])
  t.strictSame(await during(() => cache.get('key', { memory: false })), ['hit store'])
  t.strictSame(await during(() => cache.get('none')), ['miss store'])
  t.strictSame(await during(() => cache.getOrSet('bad', () => Promise.reject(new Error()))), [
    'load failed',
    'error store',
  ])
  t.strictSame(await during(() => cache.getMany(['key', 'a', 'b'], (keys) => keys)), [
    'hit memory',
    'load',
    'load',
    'miss store',
    'miss store',
  ])
  t.strictSame(await during(() => child.getOrSet('key', () => 1)), ['load', 'miss store'])
  t.strictSame(await during(() => cache.getMany(['no', 'none'])), ['miss store', 'miss store'])
  t.strictSame(await during(() => cache.getMany(['no'], () => Promise.reject(new Error()))), [
    'load failed',
    'error store',
  ])
  t.strictSame(await during(() => cache.get('none', { signal: AbortSignal.abort() })), ['error store'])
  await during(() => cache.set('bytes', 'four'))
  t.match(events.at(-1), { type: 'store', bytes: Number })
  t.strictSame(await during(() => cache.expire('key')), ['expire'])
  t.strictSame(await during(() => cache.getOrSet('key', () => new Promise(() => {}))), ['stale store'])
  t.strictSame(await during(() => cache.delete('key')), ['delete'])
  t.strictSame(await during(() => cache.set('key', 1)), ['set'])
  t.strictSame(await during(() => cache.writeThrough('key', () => 1)), ['write-through'])
  t.strictSame(await during(() => cache.deletePattern('key')), ['pattern'])
  t.strictSame(await during(() => cache.clear()), ['clear'])
})
