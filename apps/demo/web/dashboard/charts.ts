import { count, duration } from '../shared/format.js'
import { hitRate, level, ofCaches, rate, reads, spared, sum, type Values } from './series.js'
import type { Figures, Sample } from './stream.js'

/** A line: its name, colour and looks, and how its values come from the samples. */
export type LineSpec = {
  name: string
  colour: string
  look?: 'filled' | 'dashed'
  values: (samples: readonly Sample[]) => Values
}
/** A chart: what it says, how its values are written, and its lines. */
export type ChartSpec = { title: string; about: string; unit: 'many' | 'rate' | 'share' | 'time'; lines: LineSpec[] }

const COLOURS = ['green', 'blue', 'mustard', 'beet', 'soft']

/** How values are written on a chart. */
export const WRITTEN: Record<ChartSpec['unit'], (value: number) => string> = {
  many: count,
  rate: (value) => `${value >= 10 || value === 0 ? count(value) : value.toFixed(1)}/s`,
  share: (value) => (value === 0 || value === 100 ? `${value} %` : `${value.toFixed(value > 99.9 ? 2 : 1)} %`),
  time: duration,
}

const perSecond = (read: (figures: Figures) => number) => (samples: readonly Sample[]) =>
  rate(samples, ({ figures }) => read(figures))
const now = (read: (sample: Sample) => number | undefined) => (samples: readonly Sample[]) => level(samples, read)

/** The chart of hit rates: a line for each cache that the shop has. */
export function hitRates(names: readonly string[]): ChartSpec {
  const lines = names.map((name, index) => ({
    name,
    colour: COLOURS[index % COLOURS.length] ?? 'green',
    values: (samples: readonly Sample[]) => hitRate(samples, name),
  }))
  return {
    title: 'Hit rate',
    about: 'Share of calls that cost no load, by cache, over ten seconds.',
    unit: 'share',
    lines: lines.length > 0 ? lines : [{ name: 'all', colour: 'green', values: hitRate }],
  }
}

/** How long answers take, with the cache and without. */
export const LATENCY: ChartSpec = {
  title: 'Latency',
  about: 'Whole answers of the shop. Each line of the grid is ten times the one below.',
  unit: 'time',
  lines: [
    { name: 'cached, median', colour: 'green', values: now(({ latency }) => latency.cached.p50) },
    { name: 'p95', colour: 'green', look: 'dashed', values: now(({ latency }) => latency.cached.p95) },
    { name: 'loaded, median', colour: 'beet', values: now(({ latency }) => latency.loaded.p50) },
    { name: 'p95 ', colour: 'beet', look: 'dashed', values: now(({ latency }) => latency.loaded.p95) },
  ],
}

const filled = (name: string, colour: string, values: LineSpec['values']): LineSpec => ({
  name,
  colour,
  look: 'filled',
  values,
})
const plain = (name: string, colour: string, values: LineSpec['values']): LineSpec => ({ name, colour, values })

/** The smaller charts, in their order. */
export const CHARTS: readonly ChartSpec[] = [
  {
    title: 'Loads saved',
    about: 'Calls of the caches, and those that the database had to answer.',
    unit: 'rate',
    lines: [
      filled('calls', 'green', (samples) => rate(samples, ofCaches(reads))),
      plain('loaded', 'beet', (samples) =>
        rate(
          samples,
          ofCaches((counts) => reads(counts) - spared(counts)),
        ),
      ),
    ],
  },
  {
    title: 'Stampede protection',
    about: 'Calls that waited for a load under way instead of starting their own.',
    unit: 'rate',
    lines: [
      filled('coalesced', 'blue', (samples) =>
        rate(
          samples,
          ofCaches(({ coalesced }) => coalesced),
        ),
      ),
    ],
  },
  {
    title: 'Tag invalidations',
    about: 'Each is one command, whatever it renews.',
    unit: 'rate',
    lines: [
      filled(
        'invalidations',
        'mustard',
        perSecond(({ tags }) => tags.hard + tags.soft),
      ),
    ],
  },
  {
    title: 'Locks',
    about: 'Leases that this process holds, and who waits in it.',
    unit: 'many',
    lines: [
      filled(
        'holders',
        'green',
        now(({ figures }) => sum(figures.locks, ({ held }) => held)),
      ),
      plain(
        'waiters',
        'mustard',
        now(({ figures }) => sum(figures.locks, ({ waiting }) => waiting)),
      ),
    ],
  },
  {
    title: 'Sessions',
    about: 'Requests with a live session; sessions begun and ended.',
    unit: 'rate',
    lines: [
      filled(
        'read',
        'green',
        perSecond(({ sessions }) => sum(sessions, ({ live }) => live)),
      ),
      plain(
        'begun',
        'blue',
        perSecond(({ sessions }) => sum(sessions, ({ created }) => created)),
      ),
      plain(
        'ended',
        'beet',
        perSecond(({ sessions }) => sum(sessions, ({ ended }) => ended)),
      ),
    ],
  },
  {
    title: 'Limits',
    about: 'Requests that were let through, and those that came too often.',
    unit: 'rate',
    lines: [
      filled(
        'let through',
        'green',
        perSecond(({ limits }) => sum(limits, ({ allowed }) => allowed)),
      ),
      plain(
        'limited',
        'beet',
        perSecond(({ limits }) => sum(limits, ({ limited, banned }) => limited + banned)),
      ),
    ],
  },
  {
    title: 'Events',
    about: 'Published, and gaps that subscribers were told of.',
    unit: 'rate',
    lines: [
      filled(
        'sent',
        'green',
        perSecond(({ events }) => sum(events, ({ sent }) => sent)),
      ),
      plain(
        'gaps',
        'beet',
        perSecond(({ events }) => sum(events, ({ gaps }) => gaps)),
      ),
    ],
  },
  {
    title: 'Write-behind',
    about: 'Changes that wait for their flush. Many become one row of the database.',
    unit: 'many',
    lines: [
      filled(
        'backlog',
        'mustard',
        now(({ figures }) =>
          sum(figures.writeBehind, (queues) => sum(queues, ({ waiting = 0, unsent = 0 }) => waiting + unsent)),
        ),
      ),
      plain(
        'rows a second',
        'green',
        perSecond(({ writeBehind }) => sum(writeBehind, (queues) => sum(queues, ({ flushed }) => flushed))),
      ),
    ],
  },
  {
    title: 'Redis',
    about: 'Commands of the plugins, and those without a good answer.',
    unit: 'rate',
    lines: [
      filled(
        'commands',
        'green',
        perSecond(({ redis }) => redis.commands),
      ),
      plain(
        'failed',
        'beet',
        perSecond(({ redis }) => redis.failed),
      ),
    ],
  },
]
