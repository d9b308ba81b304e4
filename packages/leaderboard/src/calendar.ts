import { Temporal } from 'temporal-polyfill'

/** A span of time over which scores count, in milliseconds since 1970. */
export interface Period {
  /** The local date that it begins with, such as `2024-03-10`. */
  readonly id: string
  readonly start: number
  /** The first millisecond that is no longer in it. */
  readonly end: number
  /** When it is no longer kept. */
  readonly expires: number
}

const STEPS = { day: { days: 1 }, week: { weeks: 1 }, month: { months: 1 } }

/**
 * Days, weeks (from Monday, ISO 8601) or months of a time zone. They are cut at the first instant of a local date, so that a day
 * has 23 or 25 hours where the clocks change, begins at 1:00 where they skip midnight, and no instant is in two of them.
 */
export class Calendar {
  readonly #window: keyof typeof STEPS
  readonly #timeZone: string
  readonly #keep: number
  #current: Period | undefined

  constructor(window: 'day' | 'week' | 'month', timeZone: string, keep: number) {
    this.#window = window
    this.#timeZone = timeZone
    this.#keep = keep
  }

  /** The period that `now` is in, or the one so many before it. */
  at(now: number, back = 0): Period {
    let current = this.#current
    if (current === undefined || now < current.start || now >= current.end) current = this.#current = this.#find(now)
    return back === 0 ? current : this.#from(this.#shift(Temporal.PlainDate.from(current.id), -back))
  }

  #find(now: number): Period {
    const instant = Temporal.Instant.fromEpochMilliseconds(Math.floor(now))
    let first = this.#first(instant.toZonedDateTimeISO(this.#timeZone).toPlainDate())
    let period = this.#from(first)
    // Clocks that were set back over midnight show yesterday's date again, and a date may be left out: instants decide.
    while (now >= period.end) {
      first = this.#shift(first, 1)
      period = this.#from(first)
    }
    return period
  }

  #first(date: Temporal.PlainDate): Temporal.PlainDate {
    if (this.#window === 'week') return date.subtract({ days: date.dayOfWeek - 1 })
    return this.#window === 'month' ? date.with({ day: 1 }) : date
  }

  #shift(first: Temporal.PlainDate, periods: number): Temporal.PlainDate {
    const [[unit, length]] = Object.entries(STEPS[this.#window]) as [[string, number]]
    return first.add({ [unit]: length * periods })
  }

  #from(first: Temporal.PlainDate): Period {
    return {
      id: first.toString(),
      start: this.#begin(first),
      end: this.#begin(this.#shift(first, 1)),
      expires: this.#begin(this.#shift(first, this.#keep)),
    }
  }

  /** The first instant of a date. */
  #begin(date: Temporal.PlainDate): number {
    return date.toZonedDateTime(this.#timeZone).epochMilliseconds
  }
}

/** Whether the platform knows a time zone of this name. */
export function isTimeZone(name: unknown): name is string {
  if (typeof name !== 'string') return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
