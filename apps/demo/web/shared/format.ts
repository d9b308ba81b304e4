const money = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' })
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** A price. */
export function price(amount: number): string {
  return money.format(amount)
}

/** A count; from ten thousand on in short. */
export function count(number: number): string {
  return number < 10_000 ? whole.format(number) : compact.format(number)
}

/** A duration, with as many digits as can be told apart. */
export function duration(milliseconds: number): string {
  if (milliseconds >= 1_000) return `${(milliseconds / 1_000).toFixed(2)} s`
  if (milliseconds >= 100) return `${milliseconds.toFixed(0)} ms`
  return `${milliseconds.toFixed(milliseconds >= 10 ? 1 : 2)} ms`
}

/** A share of one, in percent. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0.999 && share < 1 ? 2 : 1)} %`
}

/** How long ago something was. */
export function ago(when: string | number, now: number = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - new Date(when).getTime()) / 1_000))
  if (seconds < 5) return 'now'
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`
  return new Date(when).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })
}
