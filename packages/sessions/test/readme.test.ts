import t from 'tap'
import { runReadme } from '../../../scripts/readme.mjs'

t.test('the code of the README and the example compile and run', { timeout: 60_000 }, async (t) => {
  const ran = runReadme(['README.md', 'example.ts'], 'dist-test/readme')
  t.equal(ran.length, 4)
  t.equal(
    ran.at(-1)?.output,
    [
      "{ user: 'ann', cart: { '17': 1 } }",
      'before the login: 401',
      'devices: 2',
      'log out everywhere else: { ended: 1 }',
      'the phone: 401',
      '',
    ].join('\n'),
  )
})
