import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync, gzipSync } from 'node:zlib'
import { TABLES } from './tables.js'

const FOLDER = fileURLToPath(new URL('../node_modules/.cache/larder-demo/', import.meta.url))

/**
 * A filled embedded database kept as a file, so that only the first start makes one. It belongs to one version of tables, data
 * and PGlite; the file of another is never read. A file that was cut short or damaged does not unpack and counts as absent.
 */
export class Snapshot {
  readonly #name: string
  readonly #folder: string

  /** The snapshot for this source tree, in `folder` (default `node_modules/.cache/larder-demo`). */
  constructor(folder: string = FOLDER) {
    this.#folder = folder
    this.#name = `catalogue-${fingerprint()}.tar.gz`
  }

  /** The archive; `undefined` where there is none that is whole. */
  read(): Buffer | undefined {
    try {
      return gunzipSync(readFileSync(this.#path(this.#name)))
    } catch {
      return undefined
    }
  }

  /** Keeps the archive, and nothing of older versions. Where the folder cannot be written the next start is slow again. */
  write(archive: Uint8Array): void {
    try {
      mkdirSync(this.#folder, { recursive: true })
      const half = this.#path(`${this.#name}.${process.pid}`)
      writeFileSync(half, gzipSync(archive, { level: 1 }))
      renameSync(half, this.#path(this.#name))
      for (const name of readdirSync(this.#folder)) if (name !== this.#name) rmSync(this.#path(name), { force: true })
    } catch {
      this.forget()
    }
  }

  /** Removes the file: it unpacked, but no database would start from it. */
  forget(): void {
    rmSync(this.#path(this.#name), { force: true })
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`
  }
}

/** Changes with the tables, the data, and the versions of what makes them. */
function fingerprint(): string {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const hash = createHash('sha256').update(TABLES)
  for (const name of ['@electric-sql/pglite', '@faker-js/faker']) hash.update(`${name}@${dependencies[name]}`)
  for (const file of ['fake-data.js', 'seed.js', 'users.js', 'embedded.js'])
    hash.update(readFileSync(new URL(file, import.meta.url)))
  return hash.digest('hex').slice(0, 16)
}
