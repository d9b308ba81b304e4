// npm run bench: the benchmarks against the peers. What follows goes to them: `npm run bench -- --help`.
import { join } from 'node:path'
import { run } from './command.mjs'
import { redisServer } from './redis-server.mjs'
import { build, fail, install, root, say } from './workspace.mjs'

const env = { ...(await install()), REDIS_SERVER: await redisServer() }
say('Building the benchmarks')
const { code } = await build(['--filter=@larder/bench'], env)
if (code !== 0) fail('The benchmarks could not be built: see above')
const entry = join(root, 'bench/dist/index.js')
process.exit(
  await run(process.execPath, ['--enable-source-maps', entry, ...process.argv.slice(2)], { env, passCode: true }),
)
