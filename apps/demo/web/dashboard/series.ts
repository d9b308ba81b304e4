import type { CacheCounts, Sample } from './stream.js'

/** A value for each sample; `null` where there is none, which leaves a gap. */
export type Values = (number | null)[]

/** The sum of a figure over some samples, counted from the one before. */
type Read = (sample: Sample) => number

/** A growing figure as a rate a second. */
export function rate(samples: readonly Sample[], read: Read): Values {
  return samples.map((sample, index) => {
    const before = samples[index - 1]
    if (before === undefined) return null
    const seconds = (sample.at - before.at) / 1_000
    return seconds > 0 ? Math.max(0, read(sample) - read(before)) / seconds : null
  })
}

/** A figure as it was. */
export function level(samples: readonly Sample[], read: (sample: Sample) => number | undefined): Values {
  return samples.map((sample) => read(sample) ?? null)
}

/** How much a figure grew over the last so many samples. */
export function growth(samples: readonly Sample[], over: number, read: Read): number {
  const last = samples.at(-1)
  const first = samples.at(-1 - over) ?? samples[0]
  return last && first ? Math.max(0, read(last) - read(first)) : 0
}

/** Calls that cost no load. */
export function spared({ hits, stale, coalesced }: CacheCounts): number {
  return hits + stale + coalesced
}

/** All calls. */
export function reads({ requests }: CacheCounts): number {
  return requests
}

/** A figure of one cache, or of all together. */
export function ofCaches(figure: (counts: CacheCounts) => number, name?: string): Read {
  return ({ figures: { caches } }) => sum(name === undefined ? caches : { name: caches[name] }, figure)
}

/** The sum of a figure over all registrations of a plugin. */
export function sum<T>(byName: Record<string, T | undefined>, figure: (figures: T) => number): number {
  return Object.values(byName).reduce((total, figures) => total + (figures ? figure(figures) : 0), 0)
}

/** The share of a cache's reads that cost no load, over the last ten samples of each; none where there were no reads. */
export function hitRate(samples: readonly Sample[], name?: string): Values {
  return samples.map((_sample, index) => {
    const window = samples.slice(Math.max(0, index - 10), index + 1)
    const all = growth(window, 10, ofCaches(reads, name))
    return all === 0 ? null : (growth(window, 10, ofCaches(spared, name)) / all) * 100
  })
}
