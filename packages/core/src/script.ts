import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua source and the SHA-1 by which Redis keeps it. */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
}

/**
 * Reads a Lua source that lies beside the calling module.
 *
 * @example const FILL = loadScript(import.meta.url, './fill.lua')
 */
export function loadScript(base: string, path: string): Script {
  const source = readFileSync(new URL(path, base), 'utf8')
  return { name: path.replace(/^.*\/|\.lua$/g, ''), source, sha: createHash('sha1').update(source).digest('hex') }
}
