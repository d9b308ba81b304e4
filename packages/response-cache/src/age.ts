import { type Fields, textOf } from './fields.js'
import { parseHttpDate } from './http-date.js'

/** When a response was asked for, and when it came, by the clock of this machine in milliseconds. */
export interface Transit {
  readonly asked: number
  readonly came: number
}

/**
 * How old a response was when it came, in milliseconds: `corrected_initial_age` of RFC 9111 section 4.2.3. One that has neither `Age`
 * nor `Date` was made here, just now. An `Age` that is no number is none; of several the first counts (section 5.1).
 */
export function initialAge(fields: Fields, { asked, came }: Transit): number {
  const [first = ''] = (textOf(fields.age) ?? '').split(',')
  const told = /^\d+$/.test(first.trim()) ? Math.min(Number(first), 2 ** 31) * 1_000 : undefined
  const date = parseHttpDate(textOf(fields.date) ?? '', came)
  const apparent = date === undefined ? 0 : Math.max(0, Math.floor(came / 1_000) * 1_000 - date)
  return Math.max(apparent, told === undefined ? 0 : told + came - asked)
}
