// Checks every public package as npm would publish it: its tarball by publint and attw, and in a project that has
// nothing else, where it is imported and required. Wants the packages built.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { run } from './command.mjs'
import { install, root, say, workspacePackages } from './workspace.mjs'

const execute = promisify(execFile)
const tool = (name) => join(root, 'node_modules/.bin', name)

const env = { ...(await install()), CI: 'true' }
const folder = mkdtempSync(join(tmpdir(), 'larder-packages-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const packages = publicPackages()
say(`Packing ${packages.length} packages`)
await Promise.all(packages.map(async (it) => Object.assign(it, { tarball: await pack(it) })))
say('Checking tarballs')
const failures = []
for (const it of packages) await check(it)
say('Installing tarballs')
await installAlone()
for (const it of packages) await load(it)

for (const failure of failures) say(`failed: ${failure}`)
say(failures.length === 0 ? `${packages.length} packages are fit to publish` : `${failures.length} checks failed`)
process.exit(failures.length === 0 ? 0 : 1)

function publicPackages() {
  return workspacePackages()
    .filter(({ manifest }) => !manifest.private)
    .map((it) => ({ ...it, project: join(folder, 'projects', basename(it.folder)) }))
}

async function pack({ folder: path }) {
  const { stdout } = await execute('pnpm', ['pack', '--json', '--pack-destination', folder], { cwd: path, env })
  const { filename } = [JSON.parse(stdout)].flat()[0]
  return filename
}

async function check({ manifest, tarball }) {
  await attempt(`${manifest.name}: publint`, tool('publint'), ['run', tarball, '--strict', '--pack', 'false'])
  await attempt(`${manifest.name}: attw`, tool('attw'), [tarball, '--profile', 'esm-only', '--no-emoji'])
}

/**
 * One project for each package, with its tarball and the peers that it cannot do without. Installed by pnpm, which
 * lets a package see what it declares and nothing more. Other packages of ours come from their tarballs too.
 */
async function installAlone() {
  const overrides = packages.map(({ manifest, tarball }) => `  '${manifest.name}': 'file:${tarball}'`)
  const settings = ['packages: [projects/*]', 'overrides:', ...overrides, 'pmOnFail: ignore', 'autoInstallPeers: false']
  writeFileSync(join(folder, 'pnpm-workspace.yaml'), `${settings.join('\n')}\n`)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  for (const { manifest, project, tarball } of packages) {
    const peers = Object.keys(manifest.peerDependencies ?? {})
      .filter((name) => !manifest.peerDependenciesMeta?.[name]?.optional)
      .map((name) => [name, manifest.devDependencies?.[name] ?? manifest.peerDependencies[name]])
    const dependencies = { [manifest.name]: `file:${tarball}`, ...Object.fromEntries(peers) }
    mkdirSync(project, { recursive: true })
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, dependencies }))
  }
  const options = ['install', '--prefer-offline', '--no-frozen-lockfile', '--dir', folder]
  const code = await run('pnpm', options, { env, onLine: (line) => line.trim() && say(`  ${line}`) })
  if (code !== 0) failures.push('the tarballs cannot be installed')
}

/** A package exports something both ways, and the same. */
async function load({ manifest, project }) {
  const { name } = manifest
  const script = `
    const required = require('${name}')
    import('${name}').then((imported) => {
      const names = Object.keys(imported).filter((key) => key !== 'module.exports')
      if (names.length === 0) throw new Error('exports nothing')
      const plugin = imported['module.exports']
      if (plugin ? required !== plugin : names.some((key) => required[key] !== imported[key])) {
        throw new Error('exports one thing to import and another to require')
      }
    })`
  await attempt(`${name}: import and require`, process.execPath, ['-e', script], { cwd: project })
}

async function attempt(title, command, args, options) {
  try {
    await execute(command, args, { env, ...options })
    say(`  ok     ${title}`)
  } catch ({ message, stdout, stderr }) {
    failures.push(title)
    say(`  not ok ${title}`)
    say(`${stdout ?? ''}${stderr ?? ''}` || message)
  }
}
