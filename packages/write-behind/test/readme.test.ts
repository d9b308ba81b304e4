import t from 'tap'
import { runReadme } from '../../../scripts/readme.mjs'

t.test('the code of the README compiles and runs', async (t) => {
  const ran = runReadme(['README.md'], 'dist-test/readme')
  t.ok(ran.length >= 1)
  for (const { name, output } of ran) t.pass(`${name} printed ${output.length} characters`)
})
