import t from 'tap'
import { runReadme } from '../../../scripts/readme.mjs'

t.test('the code of the README compiles and runs', async (t) => {
  const ran = runReadme(['README.md', 'example.ts'], 'dist-test/readme')
  t.equal(ran.length, 2)
  for (const { name, output } of ran) t.pass(`${name} printed ${output.length} characters`)
})
