/** Delta-seconds that are too large count as this (RFC 9111 section 1.2.2). */
const MOST_SECONDS = 2 ** 31

/** A list of field names, or all of the response: what `no-cache` and `private` apply to. */
export type Scope = 'all' | readonly string[]

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/
const BAD: unique symbol = Symbol('bad argument')
type Argument = string | typeof BAD | undefined

/** The directives of `Cache-Control`, or of a field that targets this cache. */
export class Directives {
  /** Whether some of it could not be told apart: a quoted string without end may hide any directive. */
  readonly broken: boolean
  readonly #arguments: ReadonlyMap<string, readonly Argument[]>

  constructor(all: ReadonlyMap<string, readonly Argument[]>, broken = false) {
    this.#arguments = all
    this.broken = broken
  }

  /** Whether there are none. */
  get empty(): boolean {
    return this.#arguments.size === 0
  }

  /** Whether it is there, with or without an argument: who sent it meant it. */
  has(name: string): boolean {
    return this.#arguments.has(name)
  }

  /**
   * Its argument in seconds; `undefined` when it is not there. An argument that is no number of seconds, or several that differ, are 0:
   * such a response is stale (RFC 9111 section 4.2.1).
   */
  seconds(name: string): number | undefined {
    const all = this.#arguments.get(name)
    if (all === undefined) return undefined
    const [first] = all
    if (typeof first !== 'string' || !/^\d+$/.test(first) || all.some((other) => other !== first)) return 0
    return Math.min(Number(first), MOST_SECONDS)
  }

  /** Its argument in seconds; infinite without one, `undefined` when it is not there or makes no sense. */
  limit(name: string): number | undefined {
    const all = this.#arguments.get(name)
    if (all === undefined) return undefined
    if (all.every((one) => one === undefined)) return Number.POSITIVE_INFINITY
    return all.every((one) => typeof one === 'string' && /^\d+$/.test(one)) ? this.seconds(name) : undefined
  }

  /** What it applies to; `undefined` when it is not there. An argument that names no field does not narrow it. */
  scope(name: string): Scope | undefined {
    const all = this.#arguments.get(name)
    if (all === undefined) return undefined
    const fields: string[] = []
    for (const one of all) {
      const names = typeof one === 'string' ? one.split(',').map((field) => field.trim().toLowerCase()) : []
      if (names.length === 0 || !names.every((field) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(field))) return 'all'
      fields.push(...names)
    }
    return fields
  }
}

/**
 * Parses `Cache-Control` (RFC 9111 section 5.2): names in any case, arguments as tokens or quoted strings, several fields as one list.
 * Unknown directives are kept and mean nothing; what is no directive is passed over.
 */
export function parseCacheControl(field: string | readonly string[] | undefined): Directives {
  const text = field === undefined ? '' : typeof field === 'string' ? field : field.join(',')
  const all = new Map<string, Argument[]>()
  let at = 0
  let broken = false

  const quoted = (): string => {
    let value = ''
    for (at++; at < text.length; at++) {
      const sign = text[at] as string
      if (sign === '"') {
        at++
        return value
      }
      if (sign === '\\') at++
      value += text[at] ?? ''
    }
    broken = true
    return value
  }
  const token = (): string => {
    const start = at
    while (at < text.length && TOKEN.test(text[at] as string)) at++
    return text.slice(start, at)
  }
  /** To the next comma outside of quotes; whether there was anything else before it. */
  const skip = (): boolean => {
    let rest = false
    while (at < text.length && text[at] !== ',') {
      if (text[at] === '"') quoted()
      else at++
      rest ||= !/[ \t]/.test(text[at - 1] as string)
    }
    return rest
  }

  while (at < text.length) {
    while (at < text.length && /[ \t,]/.test(text[at] as string)) at++
    const name = token().toLowerCase()
    let argument: Argument
    if (text[at] === '=') {
      at++
      const isQuoted = text[at] === '"'
      argument = isQuoted ? quoted() : token()
      if (!isQuoted && argument === '') argument = BAD
    }
    if (skip()) argument = BAD
    if (name === '') continue
    const known = all.get(name)
    if (known) known.push(argument)
    else all.set(name, [argument])
  }
  return new Directives(all, broken)
}
