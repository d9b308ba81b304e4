// npm run smoke: drives every route of the shop as a user would, in memory, on one Redis and on Cluster.
import { join } from 'node:path'
import { run } from './command.mjs'
import { redisServer } from './redis-server.mjs'
import { build, fail, install, root, say } from './workspace.mjs'

const env = { ...(await install()), REDIS_SERVER: await redisServer() }
say('Building the shop')
const { code } = await build(['--filter=@larder/demo'], env)
if (code !== 0) fail('The shop could not be built: see above')
const driver = join(root, 'apps/demo/dist-test/smoke.js')
process.exit(
  await run(process.execPath, ['--enable-source-maps', driver, ...process.argv.slice(2)], { env, passCode: true }),
)
