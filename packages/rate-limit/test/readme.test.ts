import { sharedRedis } from '@larder/test-redis'
import t from 'tap'
import { runReadme } from '../../../scripts/readme.mjs'

t.test('the code of the README and the example compile and run', { timeout: 110_000 }, async (t) => {
  const { url } = await sharedRedis()
  const ran = runReadme(['README.md', 'example.ts'], 'dist-test/readme', { env: { REDIS_URL: url }, exit: true })
  t.ok(ran.length >= 5)
  t.match(ran[1]?.output, '"hourly";r=999;t=3600, "burst";r=9;t=1')
  t.equal(
    ran.at(-1)?.output,
    [
      '200 "default";r=99;t=60, "burst";r=19;t=1',
      '/export 200',
      '/export 200',
      '/export 200',
      '/export 429',
      '/login a 401',
      '/login b 401',
      '/login c 401',
      '/login larder 429',
      '',
    ].join('\n'),
  )
})
