/** An amount of memory: a number of bytes, or a string such as `'512b'`, `'4kb'`, `'64mb'`, `'1gb'` (powers of 1024). */
export type Size = number | string

const UNITS: Record<string, number> = { '': 1, b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

/** Bytes of a {@link Size}; `undefined` when it is none. */
export function parseSize(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string') return undefined
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?b?)$/i.exec(value.trim())
  const unit = UNITS[match?.[2]?.toLowerCase() ?? '?']
  return match && unit ? Math.floor(Number(match[1]) * unit) : undefined
}
