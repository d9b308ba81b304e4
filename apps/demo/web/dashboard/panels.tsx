import { count, duration } from '../shared/format.js'
import type { Line } from './chart.js'
import { Panel } from './panel.js'
import { hitRate, level, ofCaches, rate, reads } from './series.js'
import { samples } from './stream.js'

const COLOURS = ['green', 'blue', 'mustard', 'beet', 'soft']
const perSecond = (value: number) => `${value >= 10 || value === 0 ? count(value) : value.toFixed(1)}/s`
const share = (value: number) =>
  `${value.toFixed(value > 99.9 && value < 100 ? 2 : value === 100 || value === 0 ? 0 : 1)} %`
const many = (value: number) => count(value)
const TALL = 210
const LOW = 130

/** All charts. */
export function Panels() {
  const all = samples.value
  const times = all.map(({ at }) => at / 1_000)
  const names = Object.keys(all.at(-1)?.figures.caches ?? {})
  const chart = (height: number, write: (value: number) => string) => ({ times, height, write })
  const byCache = names.map(
    (name, index): Line => ({ name, colour: COLOURS[index % COLOURS.length] ?? 'green', values: hitRate(all, name) }),
  )
  return (
    <div class="panels">
      <Panel
        title="Hit rate"
        about="Share of reads that cost no load, by cache, over ten seconds."
        size="wide"
        {...chart(TALL, share)}
        range={[0, 100]}
        lines={byCache.length > 0 ? byCache : [{ name: 'all', colour: 'green', values: hitRate(all) }]}
      />
      <Panel
        title="Latency"
        about="Whole answers of the shop, as it measures them. Upwards each line is ten times as long."
        size="wide"
        {...chart(TALL, (value) => duration(value))}
        logarithmic
        lines={[
          { name: 'cached, median', colour: 'green', values: level(all, ({ latency }) => latency.cached.p50) },
          {
            name: 'cached, p95',
            colour: 'green',
            dashed: true,
            values: level(all, ({ latency }) => latency.cached.p95),
          },
          { name: 'loaded, median', colour: 'beet', values: level(all, ({ latency }) => latency.loaded.p50) },
          {
            name: 'loaded, p95',
            colour: 'beet',
            dashed: true,
            values: level(all, ({ latency }) => latency.loaded.p95),
          },
        ]}
      />
      <Panel
        title="Loads saved"
        about="What was asked for, and what the database was asked."
        {...chart(LOW, perSecond)}
        lines={[
          { name: 'reads', colour: 'green', filled: true, values: rate(all, ofCaches(reads)) },
          {
            name: 'loads',
            colour: 'beet',
            values: rate(
              all,
              ofCaches(({ loads }) => loads),
            ),
          },
        ]}
      />
      <Panel
        title="Stampede protection"
        about="Reads that waited for a load under way instead of starting their own."
        {...chart(LOW, perSecond)}
        lines={[
          {
            name: 'coalesced',
            colour: 'blue',
            filled: true,
            values: rate(
              all,
              ofCaches(({ coalesced }) => coalesced),
            ),
          },
        ]}
      />
      <Panel
        title="Tag invalidations"
        about="Each is one command, whatever it renews."
        {...chart(LOW, perSecond)}
        lines={[
          {
            name: 'invalidations',
            colour: 'mustard',
            filled: true,
            values: rate(all, ({ figures }) => figures.tags.invalidations),
          },
        ]}
      />
      <Panel
        title="Locks"
        about="Held now, and waiting for the lock of the experiment."
        {...chart(LOW, many)}
        lines={[
          { name: 'holders', colour: 'green', filled: true, values: level(all, ({ figures }) => figures.locks.held) },
          {
            name: 'waiters',
            colour: 'mustard',
            values: level(all, ({ experiments }) => experiments.lock.waiters.length),
          },
        ]}
      />
      <Panel
        title="Sessions"
        about="Read, begun and ended."
        {...chart(LOW, perSecond)}
        lines={[
          { name: 'read', colour: 'green', filled: true, values: rate(all, ({ figures }) => figures.sessions.loaded) },
          { name: 'begun', colour: 'blue', values: rate(all, ({ figures }) => figures.sessions.created) },
          { name: 'ended', colour: 'beet', values: rate(all, ({ figures }) => figures.sessions.ended) },
        ]}
      />
      <Panel
        title="Limits"
        about="Requests that were let through, and those that came too often."
        {...chart(LOW, perSecond)}
        lines={[
          {
            name: 'let through',
            colour: 'green',
            filled: true,
            values: rate(all, ({ figures }) => figures.limits.allowed),
          },
          { name: 'limited', colour: 'beet', values: rate(all, ({ figures }) => figures.limits.limited) },
        ]}
      />
      <Panel
        title="Events"
        about="Published, and gaps that subscribers were told of."
        {...chart(LOW, perSecond)}
        lines={[
          { name: 'sent', colour: 'green', filled: true, values: rate(all, ({ figures }) => figures.events.sent) },
          { name: 'gaps', colour: 'beet', values: rate(all, ({ figures }) => figures.events.gaps) },
        ]}
      />
    </div>
  )
}
