const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MONTH = `(${MONTHS.join('|')})`
const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const LONG_DAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)'
const TIME = '(\\d{2}):(\\d{2}):(\\d{2})'

const IMF_FIXDATE = new RegExp(`^${DAY}, (\\d{2}) ${MONTH} (\\d{4}) ${TIME} GMT$`)
const RFC_850 = new RegExp(`^${LONG_DAY}, (\\d{2})-${MONTH}-(\\d{2}) ${TIME} GMT$`)
const ASCTIME = new RegExp(`^${DAY} ${MONTH} ([ \\d]\\d) ${TIME} (\\d{4})$`)

/**
 * A date in one of the three forms of RFC 9110 section 5.6.7, to the letter, in milliseconds; `undefined` for anything else, such as
 * `0`, a date of another time zone, or the 31st of February.
 *
 * @param now tells the century of a year of two digits: one more than 50 years ahead is past
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  const imf = IMF_FIXDATE.exec(text)
  if (imf) return make(Number(imf[3]), imf[2], imf[1], imf.slice(4))
  const asctime = ASCTIME.exec(text)
  if (asctime) return make(Number(asctime[6]), asctime[1], asctime[2], asctime.slice(3, 6))
  const rfc850 = RFC_850.exec(text)
  if (!rfc850) return undefined
  const thisYear = new Date(now).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + Number(rfc850[3])
  return make(year > thisYear + 50 ? year - 100 : year, rfc850[2], rfc850[1], rfc850.slice(4))
}

function make(year: number, month: string | undefined, day: string | undefined, time: string[]): number | undefined {
  const [hours, minutes, seconds] = time.map(Number) as [number, number, number]
  // A leap second is the first of the next minute.
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined
  const date = new Date(Date.UTC(year, MONTHS.indexOf(month as string), Number(day), hours, minutes, seconds))
  date.setUTCFullYear(year)
  return date.getUTCDate() === Number(day) || seconds === 60 ? date.getTime() : undefined
}
