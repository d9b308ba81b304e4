import { readdirSync } from 'node:fs'
import { sharedRedis } from '@larder/test-redis'
import t from 'tap'
import { runReadme } from '../../scripts/readme.mjs'

t.test('the code of the guide compiles and runs', async (t) => {
  const { host, port } = await sharedRedis()
  process.env.REDIS_URL = `redis://${host}:${port}`
  const pages = readdirSync('guide').map((page) => `guide/${page}`)
  const ran = runReadme(pages, 'dist-test/guide')
  t.ok(ran.length >= pages.length, `${ran.length} pieces of code on ${pages.length} pages`)
  for (const { name, output } of ran) t.pass(`${name} printed ${output.length} characters`)
})
