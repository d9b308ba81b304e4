import type { Algorithm } from './algorithm.js'

/**
 * `[start, units]`: a window begins with the first request after the one before is over, as in the stores of
 * `@fastify/rate-limit`. Around its edge up to `2 * max - 1` are let through within one window.
 */
export const fixedWindow: Algorithm = {
  settle: (section, { window }, now) => {
    if (section.length === 0) return
    section[0] = Math.min(section[0] as number, now)
    if ((section[0] as number) + window <= now) section.length = 0
  },
  used: ([, units = 0]) => units,
  wait: ([start = 0, units = 0], { max, window }, now, cost) => {
    if (cost > max) return window
    return units + cost > max ? start + window - now : 0
  },
  add: (section, _policy, now, cost) => {
    section[0] ??= now
    section[1] = (section[1] ?? 0) + cost
  },
  reset: (section, { window }, now) => (section.length === 0 ? 0 : (section[0] as number) + window - now),
}
