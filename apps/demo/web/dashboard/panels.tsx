import { CHARTS, type ChartSpec, hitRates, LATENCY, WRITTEN } from './charts.js'
import { Panel } from './panel.js'
import { samples } from './stream.js'

const TALL = 210
const LOW = 130

/** All charts. */
export function Panels() {
  const all = samples.value
  const times = all.map(({ at }) => at / 1_000)
  const panel = ({ title, about, unit, lines }: ChartSpec, height: number) => (
    <Panel
      key={title}
      title={title}
      about={about}
      times={times}
      height={height}
      write={WRITTEN[unit]}
      unit={unit}
      lines={lines.map(({ values, ...line }) => ({ ...line, values: values(all) }))}
      {...(height === TALL ? { size: 'wide' as const } : {})}
    />
  )
  return (
    <div class="panels">
      {panel(hitRates(Object.keys(all.at(-1)?.figures.caches ?? {})), TALL)}
      {panel(LATENCY, TALL)}
      {CHARTS.map((chart) => panel(chart, LOW))}
    </div>
  )
}
