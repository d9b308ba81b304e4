/**
 * Freezes plain data deeply, however deep it is nested. Answers `false` when it holds something that freezing does not protect: `Date`,
 * `Map`, `Set`, typed arrays and other class instances stay mutable inside.
 */
export function deepFreeze(value: unknown): boolean {
  const open: object[] = []
  if (!take(value, open)) return false
  let known: Set<object> | undefined
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    // Reached by two ways, perhaps in a circle, or frozen by the codec: looked through once more, and no oftener.
    if (Object.isFrozen(one)) {
      known ??= new Set()
      if (known.has(one)) continue
      known.add(one)
    }
    if (Array.isArray(one)) {
      Object.freeze(one)
      for (const item of one) if (!take(item, open)) return false
      continue
    }
    const prototype = Object.getPrototypeOf(one)
    if (prototype !== Object.prototype && prototype !== null) return false
    Object.freeze(one)
    for (const name in one) if (!take((one as Record<string, unknown>)[name], open)) return false
  }
  return true
}

function take(value: unknown, open: object[]): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function'
  open.push(value)
  return true
}

/** A copy of what {@link deepFreeze} froze, however deep it is nested, that its owner may change. */
export function thaw(value: unknown): unknown {
  const copies = new Map<object, object>()
  const open: object[] = []
  const copyOf = (item: unknown): unknown => {
    if (typeof item !== 'object' || item === null) return item
    const known = copies.get(item)
    if (known) return known
    const copy = Array.isArray(item) ? new Array(item.length) : Object.create(Object.getPrototypeOf(item))
    copies.set(item, copy)
    open.push(item)
    return copy
  }
  const root = copyOf(value)
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const copy = copies.get(one) as Record<string, unknown>
    for (const [name, item] of Object.entries(one)) {
      // By definition: to assign `__proto__` would change what the copy is.
      if (name === '__proto__') Object.defineProperty(copy, name, { ...OWN, value: copyOf(item) })
      else copy[name] = copyOf(item)
    }
  }
  return root
}

const OWN = { writable: true, enumerable: true, configurable: true }
