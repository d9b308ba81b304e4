import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)
const PACKAGE = new URL('../', import.meta.url)
/** Inside the package, so that the code imports it by its name. */
const FOLDER = new URL('dist-test/readme/', PACKAGE)
/** Its command is a script without extension, which the test runner's loader cannot start. */
const TSC = new URL('../../node_modules/typescript/lib/tsc.js', PACKAGE)

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

t.test('the code of the README and the example compile and run', { timeout: 60_000 }, async (t) => {
  rmSync(FOLDER, { recursive: true, force: true })
  const readme = readFileSync(new URL('README.md', PACKAGE), 'utf8')
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code as string)
  t.equal(blocks.length, 3)
  mkdirSync(FOLDER, { recursive: true })
  for (const [i, code] of blocks.entries()) writeFileSync(new URL(`block-${i + 1}.ts`, FOLDER), code)
  writeFileSync(new URL('example.ts', FOLDER), readFileSync(new URL('example.ts', PACKAGE)))
  writeFileSync(new URL('tsconfig.json', FOLDER), JSON.stringify(CONFIG))
  await run(process.execPath, [fileURLToPath(TSC), '-p', fileURLToPath(FOLDER)]).catch((error) => {
    throw new Error(`It does not compile: ${error.stdout}${error.stderr}`)
  })
  const start = (name: string) => run(process.execPath, [fileURLToPath(new URL(`built/${name}.js`, FOLDER))])
  for (const i of blocks.keys()) t.equal((await start(`block-${i + 1}`)).stderr, '')
  t.equal(
    (await start('example')).stdout,
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
