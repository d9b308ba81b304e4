import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { RouteNotFoundError } from '../errors.js'

const SCRIPTS = fileURLToPath(new URL('../web/', import.meta.url))
const STYLES = fileURLToPath(new URL('../../web/styles/', import.meta.url))

/** What browsers load under a name of its own: the file, and the name under which modules import it. */
const VENDORED = [
  { specifier: 'preact', file: 'dist/preact.mjs', package: 'preact' },
  { specifier: 'preact/hooks', file: 'hooks/dist/hooks.mjs', package: 'preact' },
  { specifier: 'preact/jsx-runtime', file: 'jsx-runtime/dist/jsxRuntime.mjs', package: 'preact' },
  { specifier: '@preact/signals', file: 'dist/signals.mjs', package: '@preact/signals' },
  { specifier: '@preact/signals-core', file: 'dist/signals-core.mjs', package: '@preact/signals-core' },
  { specifier: 'uplot', file: 'dist/uPlot.esm.js', package: 'uplot' },
  { file: 'dist/uPlot.min.css', package: 'uplot' },
  { file: 'files/besley-latin-wght-normal.woff2', package: '@fontsource-variable/besley' },
  { file: 'files/archivo-latin-wdth-normal.woff2', package: '@fontsource-variable/archivo' },
]

/**
 * What the pages are made of, in the browser. All of it is under one version, a hash of every file, so that browsers may keep it for
 * ever; a new build has new addresses. Only files that were there at the start are served.
 */
export class Assets {
  /** The path that all addresses begin with. */
  readonly prefix: string
  /** What `import` in a page's modules stands for: an import map. */
  readonly imports: Readonly<Record<string, string>>
  readonly #files = new Map<string, string>()

  constructor() {
    for (const path of filesOf(SCRIPTS, '.js')) this.#files.set(`web/${path}`, join(SCRIPTS, path))
    for (const path of filesOf(STYLES)) this.#files.set(`styles/${path}`, join(STYLES, path))
    for (const vendored of VENDORED) this.#files.set(vendoredPath(vendored), vendoredFile(vendored))
    const hash = createHash('sha256')
    for (const [path, file] of this.#files) hash.update(path).update(readFileSync(file))
    this.prefix = `/assets/${hash.digest('hex').slice(0, 12)}`
    this.imports = Object.fromEntries(
      VENDORED.flatMap((vendored) =>
        vendored.specifier ? [[vendored.specifier, this.url(vendoredPath(vendored))]] : [],
      ),
    )
  }

  /** The address of a file. */
  url(path: string): string {
    return `${this.prefix}/${path}`
  }

  /** The addresses of the modules in a folder of `web/`. */
  modules(folder: string): string[] {
    return [...this.#files.keys()].filter((path) => path.startsWith(`web/${folder}/`)).map((path) => this.url(path))
  }

  /** Serves them. */
  async register(app: FastifyInstance): Promise<void> {
    await app.register(fastifyStatic, { root: STYLES, serve: false })
    app.get<{ Params: { '*': string } }>(
      `${this.prefix}/*`,
      { schema: { hide: true }, logLevel: 'warn' },
      (request, reply) => {
        const file = this.#files.get(request.params['*'])
        if (file === undefined) throw new RouteNotFoundError(request.method, request.url)
        reply.header('x-content-type-options', 'nosniff')
        return reply.sendFile(basename(file), dirname(file), { maxAge: '365d', immutable: true })
      },
    )
  }
}

function filesOf(folder: string, ending = ''): string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
  return names
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length).replaceAll('\\', '/'))
    .sort()
}

function vendoredPath({ package: name, file }: { package: string; file: string }): string {
  return `vendor/${name.replace('/', '-')}-${basename(file)}`
}

function vendoredFile({ package: name, file }: { package: string; file: string }): string {
  // Not every package exports its manifest or these files: the folder is where node looks for packages.
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  const found = folders.map((folder) => join(folder, name, file)).find((path) => existsSync(path))
  if (found === undefined) throw new Error(`${name} has no ${file}`)
  return found
}
