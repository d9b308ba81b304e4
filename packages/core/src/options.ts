import { parseDuration } from './duration.js'
import { InvalidOptionError } from './errors.js'
import { parseSize } from './size.js'

function show(value: unknown): string {
  if (typeof value === 'string') return `\`'${value}'\` (string)`
  if (value === null) return '`null`'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' || typeof value === 'function') return `a ${typeof value}`
  return `\`${String(value)}\` (${typeof value})`
}

/** The error for a bad option: "Expected `ttl` to be a positive duration, got `-1` (number)". */
export function invalidOption(option: string, rule: string, value: unknown): Error {
  return new InvalidOptionError(`Expected \`${option}\` to be ${rule}, got ${show(value)}`)
}

/**
 * Reads the raw options of one plugin, call or object. Every reader takes the option's name and its default, and throws
 * `LARDER_INVALID_OPTION` on a bad value. Made for `resolveOptions()`: read everything once, then call {@link done}.
 */
export class OptionReader {
  readonly #raw: Record<string, unknown>
  readonly #path: string
  readonly #known = new Set<string>()

  /** @param raw the options as the user gave them; @param path prefix of names in messages, such as `memory.` */
  constructor(raw: unknown, path = '') {
    if (raw !== undefined && (typeof raw !== 'object' || raw === null || Array.isArray(raw)))
      throw invalidOption(path === '' ? 'options' : path.slice(0, -1), 'an object', raw)
    this.#raw = (raw ?? {}) as Record<string, unknown>
    this.#path = path
  }

  /** The raw value, marked as known. */
  raw(name: string): unknown {
    this.#known.add(name)
    return this.#raw[name]
  }

  /** A value that `accept` takes; `rule` completes the sentence "Expected `name` to be …". */
  value<T, D>(name: string, rule: string, accept: (value: unknown) => value is T, fallback: D): T | D {
    const value = this.raw(name)
    if (value === undefined) return fallback
    if (!accept(value)) throw this.invalid(name, rule, value)
    return value
  }

  /** Milliseconds. `min` is inclusive (default: more than 0). */
  duration<D>(name: string, fallback: D, min: number = Number.MIN_VALUE): number | D {
    const value = this.raw(name)
    if (value === undefined) return fallback
    const parsed = parseDuration(value)
    if (parsed === undefined || parsed < min)
      throw this.invalid(name, min > 0 ? 'a positive duration' : 'a duration of 0 or more', value)
    return parsed
  }

  /** Bytes, more than 0. */
  size<D>(name: string, fallback: D): number | D {
    const value = this.raw(name)
    if (value === undefined) return fallback
    const parsed = parseSize(value)
    if (parsed === undefined || parsed <= 0)
      throw this.invalid(name, 'a positive size in bytes or such as `64mb`', value)
    return parsed
  }

  /** A whole number of at least `min` (default 1). */
  integer<D>(name: string, fallback: D, min: number = 1): number | D {
    return this.value(
      name,
      `a whole number of at least ${min}`,
      (value): value is number => Number.isSafeInteger(value) && (value as number) >= min,
      fallback,
    )
  }

  /** `true` or `false`. */
  boolean<D>(name: string, fallback: D): boolean | D {
    return this.value(name, 'a boolean', (value): value is boolean => typeof value === 'boolean', fallback)
  }

  /** A non-empty string. */
  string<D>(name: string, fallback: D): string | D {
    return this.value(
      name,
      'a non-empty string',
      (value): value is string => typeof value === 'string' && value !== '',
      fallback,
    )
  }

  /** A part of a Redis key that all keys begin with: no `:`, `{`, `}`, so that prefixes cannot overlap. */
  namespace<D>(name: string, fallback: D): string | D {
    return this.value(
      name,
      'a non-empty string of at most 64 letters, digits and signs other than `:`, `{`, `}` and white space',
      (value): value is string => typeof value === 'string' && /^[^:{}\s\p{C}]{1,64}$/u.test(value),
      fallback,
    )
  }

  /** A function. */
  function<T, D>(name: string, fallback: D): T | D {
    return this.value(name, 'a function', (value): value is T => typeof value === 'function', fallback)
  }

  /** An `AbortSignal`. */
  signal(name: string): AbortSignal | undefined {
    return this.value(name, 'an AbortSignal', (value): value is AbortSignal => value instanceof AbortSignal, undefined)
  }

  /** A reader for the options inside option `name`. */
  nested(name: string): OptionReader {
    return new OptionReader(this.raw(name), `${this.#path}${name}.`)
  }

  /** The error for option `name`. */
  invalid(name: string, rule: string, value: unknown): Error {
    return invalidOption(this.#path + name, rule, value)
  }

  /** Throws when an option was given that nobody read. */
  done(): void {
    for (const name of Object.keys(this.#raw)) {
      if (this.#known.has(name)) continue
      throw new InvalidOptionError(
        `Unknown option \`${this.#path}${name}\`: expected one of ${[...this.#known].map((known) => `\`${known}\``).join(', ')}`,
      )
    }
  }
}
