import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua source and the SHA-1 by which Redis keeps it. */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
}

/**
 * Reads a Lua source that lies beside the calling module. With several paths the first ones are put in front of the last: what
 * scripts share.
 *
 * @example const FILL = loadScript(import.meta.url, './fill.lua')
 */
export function loadScript(base: string, ...paths: [string, ...string[]]): Script {
  const source = paths.map((path) => readFileSync(new URL(path, base), 'utf8')).join('\n')
  const name = (paths.at(-1) as string).replace(/^.*\/|\.lua$/g, '')
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}
