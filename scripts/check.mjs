// Lint, types, the packages as they would be published, and the site with its links. All run, whatever the others say.
import { join } from 'node:path'
import { run } from './command.mjs'
import { build, install, root, say } from './workspace.mjs'

const env = await install()
const checks = {
  Lint: () => run(join(root, 'node_modules/.bin/biome'), ['ci', '--colors=off', '.'], { env }),
  Types: async () => (await build(['--continue=dependencies-successful'], env)).code,
  Packages: () => run(process.execPath, [join(root, 'scripts/check-packages.mjs')], { env }),
  Site: () =>
    run('pnpm', ['--filter=@larder/docs', 'run', 'site'], { env, onLine: (line) => line && say(`  ${line}`) }),
}
const failed = []
for (const [name, check] of Object.entries(checks)) {
  say(name)
  if ((await check()) !== 0) failed.push(name)
}
for (const name of failed) say(`failed: ${name}`)
process.exit(failed.length === 0 ? 0 : 1)
