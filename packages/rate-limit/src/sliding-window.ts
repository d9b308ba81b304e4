import type { Algorithm, Section } from './algorithm.js'

/** Parts of a window that share a count. */
const PARTS = 30

/**
 * Counts a part of the window, each with the time of the last request in it: `[time, units, time, units, …]`, the oldest first. The
 * idea of counters instead of a log is Cloudflare's ("How we built rate limiting capable of scaling to millions of domains",
 * 2017). Their estimate from two counters assumes that the previous window was evenly used, and lets up to `2 * max - 1` through
 * within one window where it was not. Here every request is regarded as made when the last one of its part was, never earlier:
 * no window of any schedule has more than `max`, and a unit is free again at most a thirtieth of the window late.
 */
export const slidingWindow: Algorithm = {
  settle: (section, { window }, now) => {
    let over = 0
    while (over < section.length && (section[over] as number) <= now - window) over += 2
    if (over > 0) section.splice(0, over)
    for (let i = 0; i < section.length; i += 2) section[i] = Math.min(section[i] as number, now)
  },
  used: units,
  wait: (section, { max, window }, now, cost) => {
    if (cost > max) return window
    let lacking = units(section) + cost - max
    for (let i = 0; lacking > 0; i += 2) {
      lacking -= section[i + 1] as number
      if (lacking <= 0) return (section[i] as number) + window - now
    }
    return 0
  },
  add: (section, { window }, now, cost) => {
    const last = section.length - 2
    if (last >= 0 && part(section[last] as number, window) === part(now, window)) {
      section[last] = now
      section[last + 1] = (section[last + 1] as number) + cost
    } else section.push(now, cost)
  },
  reset: (section, { window }, now) => (section.length === 0 ? 0 : (section.at(-2) as number) + window - now),
}

function part(time: number, window: number): number {
  return Math.floor((time * PARTS) / window)
}

function units(section: Section): number {
  let sum = 0
  for (let i = 1; i < section.length; i += 2) sum += section[i] as number
  return sum
}
