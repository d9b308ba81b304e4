/**
 * Freezes plain data deeply. Answers `false` when it holds something that freezing does not protect: `Date`, `Map`, `Set`, typed
 * arrays and other class instances stay mutable inside.
 */
export function deepFreeze(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function'
  if (Array.isArray(value)) {
    Object.freeze(value)
    for (const item of value) if (!deepFreeze(item)) return false
    return true
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  Object.freeze(value)
  for (const name in value) if (!deepFreeze((value as Record<string, unknown>)[name])) return false
  return true
}
