import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sharedRedis } from '@larder/test-redis'
import t from 'tap'

const run = promisify(execFile)
const PACKAGE = new URL('../', import.meta.url)
/** Inside the package, so that the code imports it by its name. */
const FOLDER = new URL('../dist-test/readme/', import.meta.url)
/** Its command is a script without extension, which the test runner's loader cannot start. */
const TSC = new URL('tsc.js', `file://${createRequire(new URL('../../../', import.meta.url)).resolve('typescript')}`)

const CONFIG = {
  extends: '../../../../tsconfig.base.json',
  compilerOptions: {
    rootDir: '.',
    outDir: 'built',
    declaration: false,
    declarationMap: false,
    isolatedDeclarations: false,
    composite: false,
    noEmitOnError: true,
  },
  include: ['*.ts'],
}

t.test('the code of the README and the example compile and run', { timeout: 110_000 }, async (t) => {
  const { url } = await sharedRedis()
  const readme = readFileSync(new URL('README.md', PACKAGE), 'utf8')
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code as string)
  t.ok(blocks.length >= 3)
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  // What connects keeps its process: it has shown what it should when it is through.
  for (const [i, code] of blocks.entries())
    writeFileSync(new URL(`block-${i}.ts`, FOLDER), `${code}\nprocess.exit(0)\n`)
  writeFileSync(new URL('example.ts', FOLDER), readFileSync(new URL('example.ts', PACKAGE)))
  writeFileSync(new URL('tsconfig.json', FOLDER), JSON.stringify(CONFIG))
  try {
    await run(process.execPath, [fileURLToPath(TSC), '-p', fileURLToPath(FOLDER)])
  } catch (error) {
    t.fail(`it does not compile: ${(error as { stdout?: string }).stdout}${String(error)}`)
    return
  }
  const start = (name: string, env: NodeJS.ProcessEnv) =>
    run(process.execPath, [fileURLToPath(new URL(`built/${name}.js`, FOLDER))], { env: { ...process.env, ...env } })
  const outputs = await Promise.all(blocks.map((_, i) => start(`block-${i}`, { REDIS_URL: url })))
  t.match(outputs[0]?.stdout, /^Larder; fwd=uri-miss; ttl=60; stored\nLarder; hit; ttl=\d+\n/)
  const { stdout } = await start('example', {})
  t.equal(
    stdout.replace(/hit; ttl=\d+/g, 'hit'),
    [
      '/news {"news":"none"} Larder; fwd=uri-miss; ttl=60; stored',
      '/news {"news":"none"} Larder; hit',
      '/account account of alice Larder; fwd=uri-miss; ttl=10; stored',
      '/account account of bob Larder; fwd=uri-miss; ttl=10; stored',
      '/account account of alice Larder; hit',
      '',
    ].join('\n'),
  )
})
