import { parse } from '@lukeed/ms'

/** A span of time: a number of milliseconds, or a string such as `'250ms'`, `'5m'`, `'12h'`. */
export type Duration = number | string

/** Milliseconds of a {@link Duration}; `undefined` when it is none. Syntax of strings: `@lukeed/ms`. */
export function parseDuration(value: unknown): number | undefined {
  const milliseconds = typeof value === 'string' ? parse(value) : value
  return typeof milliseconds === 'number' && Number.isFinite(milliseconds) ? milliseconds : undefined
}
