import { parseDictionary } from 'structured-headers'
import { Directives } from './directives.js'

/**
 * The directives of `CDN-Cache-Control`, a dictionary of structured fields that takes the place of `Cache-Control` and `Expires`
 * (RFC 9213 section 2.2). `undefined` when it is absent, empty or no dictionary: then it is as if it was not there.
 */
export function parseTargeted(field: string | readonly string[] | undefined): Directives | undefined {
  if (field === undefined) return undefined
  const text = typeof field === 'string' ? field : field.join(',')
  try {
    const all = new Map<string, (string | undefined)[]>()
    for (const [name, [value]] of parseDictionary(text)) {
      if (value === false) continue
      // Seconds are integers here, and nothing else: a string or a decimal is no lifetime.
      if (value === true) all.set(name, [undefined])
      else if (Number.isInteger(value)) all.set(name, [String(value)])
      else all.set(name, [typeof value === 'string' && !/^\d+$/.test(value) ? value : 'not an integer'])
    }
    return all.size > 0 ? new Directives(all) : undefined
  } catch {
    return undefined
  }
}
