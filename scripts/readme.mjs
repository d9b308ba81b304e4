// Compiles and runs the code that a README shows, and the example beside it: documentation that lies fails a test.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))

const OPTIONS = {
  target: 'ES2022',
  lib: ['ES2023', 'ES2024.String', 'ESNext.Disposable'],
  types: ['node'],
  module: 'NodeNext',
  strict: true,
  skipLibCheck: true,
  outDir: 'out',
  rootDir: '.',
}

/**
 * Writes each ```ts block of the files (and each .ts file as it is) into `folder`, compiles them together and runs one after the other.
 * Returns what each printed. Blocks of a package see what the package sees; run it with the package as the working directory.
 * `env`: more for their environment. `exit`: a block ends when it is through, although a connection would keep its process.
 */
export function runReadme(files, folder, { env = {}, exit = false } = {}) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const names = []
  for (const [position, file] of files.entries()) {
    const text = readFileSync(file, 'utf8')
    const end = exit ? '\nprocess.exit(0)\n' : ''
    const blocks = file.endsWith('.ts')
      ? [text]
      : [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code + end)
    blocks.forEach((code, i) => {
      const name = `${position + 1}-${basename(file).replace(/\W/g, '-')}-${i + 1}`
      writeFileSync(`${folder}/${name}.ts`, code)
      names.push(name)
    })
  }
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions: OPTIONS, include: ['*.ts'] }))
  run([tsc, '-p', folder], env)
  return names.map((name) => ({ name, output: run([`${folder}/out/${name}.js`], env) }))
}

function run(args, env) {
  try {
    const options = { encoding: 'utf8', timeout: 30_000, env: { ...process.env, ...env } }
    // The test runner's hooks into Node are not for the code of a README, and it adds them to whatever is started.
    return execFileSync('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], options)
  } catch (error) {
    throw new Error(`${args.join(' ').replaceAll(root, '')}\n${error.stdout ?? ''}${error.stderr ?? ''}`)
  }
}
