/** The id before all ids. */
export const START = '0-0'

/** Whether a text is an id of a stream's entry, or its first half. */
export function isEntryId(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,20}(-\d{1,20})?$/.test(value)
}

/** An id in full: `'1700000000000'` is `'1700000000000-0'`. */
export function completeId(id: string): string {
  return id.includes('-') ? id : `${id}-0`
}

/** Negative when `a` comes before `b`, 0 when they are the same. Both complete. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0
  const [aTime = '', aCount = ''] = a.split('-')
  const [bTime = '', bCount = ''] = b.split('-')
  return compareDigits(aTime, bTime) || compareDigits(aCount, bCount)
}

/** Ids have up to 64 bits, more than a number holds. */
function compareDigits(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length
  return a < b ? -1 : a > b ? 1 : 0
}
