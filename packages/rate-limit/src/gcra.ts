import type { Algorithm } from './algorithm.js'

/**
 * The Generic Cell Rate Algorithm (ITU-T I.371, in its form as a continuous-state leaky bucket): `[level, time, window]`. The level
 * drains by `max` units a window; a request is let in if it does not rise over `max`. It is kept in units times milliseconds of
 * the window, so it stays whole. A window has at most `max` units of burst and `max` that have drained meanwhile.
 */
export const gcra: Algorithm = {
  settle: (section, { max, window }, now) => {
    const [level = 0, time = now, measure = window] = section
    const scaled = measure === window ? level : Math.ceil((level * window) / measure)
    section[0] = Math.max(0, scaled - Math.max(0, now - time) * max)
    section[1] = now
    section[2] = window
  },
  used: ([level = 0], { window }) => Math.ceil(level / window),
  wait: ([level = 0], { max, window }, _now, cost) => {
    if (cost > max) return window
    const over = level + cost * window - max * window
    return over > 0 ? Math.ceil(over / max) : 0
  },
  add: (section, { window }, _now, cost) => {
    section[0] = (section[0] as number) + cost * window
  },
  reset: ([level = 0], { max, window }) => (level === 0 ? 0 : max === 0 ? window : Math.ceil(level / max)),
}
