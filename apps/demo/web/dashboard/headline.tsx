import { count, duration, percent } from '../shared/format.js'
import { growth, ofCaches, reads, spared } from './series.js'
import { samples } from './stream.js'

const MINUTE = 60

/** The four figures that say whether the cache is worth it. */
export function Headline() {
  const all = samples.value
  const asked = growth(all, MINUTE, ofCaches(reads))
  const saved = growth(all, MINUTE, ofCaches(spared))
  const total = all.at(-1)
  const cached = middle(all.map(({ latency }) => latency.cached.p50))
  const loaded = middle(all.map(({ latency }) => latency.loaded.p50))
  return (
    <dl class="headline">
      <Figure name="Hit rate, last minute" value={asked === 0 ? '–' : percent(saved / asked)} />
      <Figure name="Loads saved since the start" value={total ? count(ofCaches(spared)(total)) : '–'} />
      <Figure name="Answer from the cache" value={cached === undefined ? '–' : duration(cached)} />
      <Figure name="Answer that is loaded" value={loaded === undefined ? '–' : duration(loaded)} />
    </dl>
  )
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
}

function middle(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined).sort((one, other) => one - other)
  return known[Math.floor(known.length / 2)]
}
