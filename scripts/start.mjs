// npm start: from a bare checkout to the shop. Ctrl-C, SIGTERM and SIGHUP end all that was started.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.mjs'
import { build, fail, install, root, say } from './workspace.mjs'

const entry = join(root, 'apps/demo/dist/server.js')

const env = await install()
say('Building the shop')
const { code } = await build(['--filter=@larder/demo'], env)
if (code !== 0) fail('The shop could not be built: see above')
if (!existsSync(entry)) fail(`The build left no ${entry}`)
say('Starting the shop')
process.exit(
  await run(process.execPath, ['--enable-source-maps', entry, ...process.argv.slice(2)], {
    stdio: 'inherit',
    passCode: true,
  }),
)
