import t from 'tap'
import { Calendar } from '../dist/calendar.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Whole hours, half an hour, midnight left out, midnight twice, no change at all, a date left out. */
const ZONES: [timeZone: string, from: string, to: string][] = [
  ['Europe/Berlin', '2024-01-01', '2025-01-01'],
  ['America/New_York', '2024-01-01', '2025-01-01'],
  ['Australia/Lord_Howe', '2024-01-01', '2025-01-01'],
  ['America/Asuncion', '2023-01-01', '2024-01-01'],
  ['Africa/Cairo', '2024-01-01', '2025-01-01'],
  ['America/Havana', '2024-01-01', '2025-01-01'],
  ['America/St_Johns', '2010-01-01', '2011-01-01'],
  ['Asia/Kathmandu', '2024-01-01', '2025-01-01'],
  ['Pacific/Apia', '2011-12-01', '2012-02-01'],
]

/** The local date, from a source of its own: `2024-03-10`. */
function dates(timeZone: string): (time: number) => string {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
  return (time) => format.format(time)
}

/** The first date of a week or month. */
function firstOf(window: 'day' | 'week' | 'month', date: string): string {
  if (window === 'day') return date
  if (window === 'month') return `${date.slice(0, 8)}01`
  const day = new Date(date)
  return new Date(day.getTime() - ((day.getUTCDay() + 6) % 7) * DAY).toISOString().slice(0, 10)
}

for (const [timeZone, from, to] of ZONES) {
  t.test(`windows of ${timeZone} are cut at the first instant of a local date, each instant in one`, async (t) => {
    const dateAt = dates(timeZone)
    for (const window of ['day', 'week', 'month'] as const) {
      const calendar = new Calendar(window, timeZone, 8)
      const wrong: string[] = []
      const lengths = new Set<number>()
      let count = 0
      for (let time = Date.parse(from); time < Date.parse(to); ) {
        const period = calendar.at(time)
        const complain = (what: string): number => wrong.push(`${period.id}: ${what}`)
        // The instant at which the date is first shown, to the minute: before it no clock had shown it, at it all do.
        if (dateAt(period.start) < period.id) complain('begins before its date')
        for (let before = MINUTE; before <= 3 * HOUR; before += MINUTE)
          if (dateAt(period.start - before) >= period.id) complain('begins after its date')
        if (firstOf(window, period.id) !== period.id) complain('is not the first of its kind')
        if (calendar.at(period.start).id !== period.id || calendar.at(period.end - 1).id !== period.id)
          complain('has not its own ends')
        const next = calendar.at(period.end)
        if (next.start !== period.end || next.id <= period.id) complain('is not followed by the next')
        const before = calendar.at(next.start, 1)
        // A date that was left out is a window of no length.
        if (before.start !== period.start && before.start !== before.end) complain('is not the one before the next')
        if (period.expires <= period.end) complain('expires too soon')
        lengths.add((period.end - period.start) / HOUR)
        count++
        time = period.end
      }
      t.strictSame(wrong, [], `${count} of a ${window}: ${[...lengths].sort((a, b) => a - b).join(', ')} hours`)
      t.ok(count > 0)
    }
  })
}
