import { cacheStatus } from '@larder/demo'
import t from 'tap'

t.test('every state is told in the words of RFC 9211', async (t) => {
  t.equal(cacheStatus({ state: 'hit', ttl: 512_900 }), 'Larder; hit; ttl=512')
  t.equal(cacheStatus({ state: 'stale', ttl: -2_100 }), 'Larder; hit; ttl=-3; detail=stale')
  t.equal(cacheStatus({ state: 'miss', ttl: 600_000 }), 'Larder; fwd=miss; stored')
  t.equal(cacheStatus({ state: 'coalesced', ttl: 600_000 }), 'Larder; fwd=miss; collapsed')
  t.equal(cacheStatus({ state: 'bypass', ttl: 600_000 }), 'Larder; fwd=bypass')
})
