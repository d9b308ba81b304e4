// What every command at the root needs first: the packages, and pnpm and turbo to work with them. Node and npm are
// all that has to be there.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './command.mjs'

/** The repository's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url))
const { engines, packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** The packages of the workspace, as their folders hold them. */
export function workspacePackages() {
  return ['packages', 'apps', '']
    .map((name) => join(root, name))
    .flatMap((folder) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
}

/** Prints a line of progress. */
export function say(text) {
  process.stdout.write(`${text}\n`)
}

/** Ends the script with one clear line. */
export function fail(text) {
  process.stderr.write(`${text}\n`)
  process.exit(1)
}

/**
 * Installs the packages as the lockfile says, and resolves with the environment for {@link turbo}: pnpm, which npm
 * fetches, is on its `PATH`.
 */
export async function install() {
  process.chdir(root)
  checkNode()
  say('Installing packages')
  let path
  const mark = 'PATH='
  // Through one npx, since each takes a second.
  const commands = `pnpm install --frozen-lockfile --prefer-offline && node -p "'${mark}' + process.env.PATH"`
  const code = await run('npx', ['--yes', `--package=${packageManager}`, '-c', commands], {
    env: { ...process.env, npm_config_loglevel: 'error' },
    onLine: (line) => {
      if (line.startsWith(mark)) path = line.slice(mark.length)
      else if (line.trim() !== '') say(`  ${line}`)
    },
  })
  if (code !== 0 || path === undefined) fail('The packages could not be installed: see above')
  return {
    ...process.env,
    PATH: path,
    TURBO_TELEMETRY_DISABLED: '1',
    TURBO_NO_UPDATE_NOTIFIER: '1',
  }
}

/**
 * Runs turbo and resolves with the packages that it looked at and what became of the tasks that it ran.
 *
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env - of {@link install}
 * @param {(line: string) => void} onLine - takes what it prints, line by line
 * @returns {Promise<{ code: number, packages: string[], tasks: { package: string, task: string, folder: string, exitCode: number }[] }>}
 */
export async function turbo(args, env, onLine) {
  let summary
  const code = await run(join(root, 'node_modules/.bin/turbo'), [...args, '--summarize'], {
    env,
    onLine: (line) => {
      const found = /^\s*Summary:\s+(\S.*)$/.exec(line)
      if (found) summary = found[1]
      else onLine(line)
    },
  })
  const { packages, tasks } = summary ? JSON.parse(readFileSync(summary, 'utf8')) : { packages: [], tasks: [] }
  if (summary) rmSync(summary)
  return {
    code,
    packages,
    tasks: tasks
      .filter(({ command }) => command !== '<NONEXISTENT>')
      .map(({ package: name, task, directory, execution }) => ({
        package: name,
        task,
        folder: join(root, directory),
        exitCode: execution?.exitCode ?? 1,
      })),
  }
}

/** Builds packages, says which, and shows what the compiler says; resolves as {@link turbo} does. */
export function build(args, env) {
  return turbo(['run', 'build', '--output-logs=new-only', '--concurrency=2', ...args], env, (line) => {
    const [, name, text] = /^(\S+):build: (.*)$/.exec(line) ?? []
    if (text && isStart(text)) say(`  ${name}`)
    else if (text && !isChatter(text)) say(`    ${text}`)
    else if (name === undefined && isTrouble(line)) say(`  ${line.trim()}`)
  })
}

/** Whether a line of turbo's says that a task begins. */
export function isStart(text) {
  return /^cache (miss|bypass)/.test(text)
}

/** Whether a line of turbo's or pnpm's says nothing to the reader: which command it runs, and that it was cached. */
export function isChatter(text) {
  return text.trim() === '' || /^[$>] /.test(text) || text.startsWith('cache hit')
}

/** Whether a line is turbo's own complaint, and not about a command, which has complained itself. */
function isTrouble(line) {
  return /error|✗|×/i.test(line) && !/(ERROR|WARNING)\s+(command|run failed)/.test(line)
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const [needMajor, needMinor] = engines.node.match(/\d+/g).map(Number)
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    fail(`Larder needs Node ${engines.node}, this is ${process.versions.node}`)
  }
}
