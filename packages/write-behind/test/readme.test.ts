import t from 'tap'
import { runReadme } from '../../../scripts/readme.mjs'

t.test('the code of the README and the example compile and run', async (t) => {
  const ran = runReadme(['README.md', 'example.ts'], 'dist-test/readme')
  t.ok(ran.length >= 2)
  for (const { name, output } of ran) t.ok(output.length > 0, `${name} printed ${output.length} characters`)
})
