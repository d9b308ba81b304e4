import { sharedRedis } from '@larder/test-redis'
import t from 'tap'
import { runReadme } from '../../../scripts/readme.mjs'

t.test('the code of the README and the example compile and run', { timeout: 110_000 }, async (t) => {
  const { url } = await sharedRedis()
  const ran = runReadme(['README.md', 'example.ts'], 'dist-test/readme', { env: { REDIS_URL: url }, exit: true })
  t.ok(ran.length >= 4)
  t.match(ran[0]?.output, /^Larder; fwd=uri-miss; ttl=60; stored\nLarder; hit; ttl=\d+\n/)
  t.equal(
    ran.at(-1)?.output.replace(/hit; ttl=\d+/g, 'hit'),
    [
      '/news {"news":"none"} Larder; fwd=uri-miss; ttl=60; stored',
      '/news {"news":"none"} Larder; hit',
      '/account account of alice Larder; fwd=uri-miss; ttl=10; stored',
      '/account account of bob Larder; fwd=uri-miss; ttl=10; stored',
      '/account account of alice Larder; hit',
      '',
    ].join('\n'),
  )
})
