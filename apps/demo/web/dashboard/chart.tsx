import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { theme } from '../shared/theme.js'
import type { Values } from './series.js'

/** A line of a chart. `colour`: a custom property of the page, without its dashes. */
export type Line = { name: string; colour: string; values: Values; look?: 'filled' | 'dashed' }

/** What a {@link Chart} shows. */
export type ChartProps = {
  /** Times in seconds since 1970. */
  times: number[]
  lines: Line[]
  /** How values are written. */
  write: (value: number) => string
  height: number
  /** What the values are. Durations are drawn by orders of magnitude, shares from 0 to 100 %. */
  unit: 'many' | 'rate' | 'share' | 'time'
}

const SPAN = 180

const fromZero: uPlot.Scale = { range: (_plot, _low, high) => [0, Math.max(1, (high ?? 1) * 1.1)] }
/** How values become heights. */
const SCALES: Record<ChartProps['unit'], uPlot.Scale> = {
  many: fromZero,
  rate: fromZero,
  share: { range: () => [0, 100] },
  time: {
    distr: 3,
    range: (_plot, low, high) => [10 ** Math.floor(Math.log10(low || 0.1)), 10 ** Math.ceil(Math.log10(high || 10))],
  },
}

/** Lines over the last three minutes. Names, values and colours of the lines are told beside it, in text. */
export function Chart(props: ChartProps) {
  const frame = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const { times, lines, height } = props
  const shape = `${theme()} ${lines.map(({ name }) => name).join()}`
  const latest = useRef(props)
  latest.current = props

  useEffect(() => {
    const element = frame.current
    if (element === null) return
    const made = new uPlot(optionsOf(latest, element.clientWidth), dataOf(latest.current), element)
    plot.current = made
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
    }
  }, [shape, height])
  useEffect(() => plot.current?.setData(dataOf({ times, lines })), [times, lines])
  return <div ref={frame} class="chart-frame" style={{ height: `${height}px` }} aria-hidden="true" />
}

function dataOf({ times, lines }: Pick<ChartProps, 'times' | 'lines'>): uPlot.AlignedData {
  return [times, ...lines.map(({ values }) => values)]
}

function optionsOf(latest: { current: ChartProps }, width: number): uPlot.Options {
  const { lines, write, height, unit } = latest.current
  const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
  const grid = { stroke: colour('line'), width: 1 }
  const font = '12px Archivo, sans-serif'
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    padding: [8, 4, 0, 0],
    scales: {
      x: { time: true, range: (_plot, _low, high) => [high - SPAN, high] },
      y: SCALES[unit],
    },
    axes: [
      {
        stroke: colour('soft'),
        font,
        grid: { show: false },
        ticks: { show: false },
        size: 22,
        space: 70,
        values: (_plot, splits) => splits.map(clock),
      },
      {
        stroke: colour('soft'),
        font,
        grid: unit === 'time' ? { ...grid, filter: (_plot, splits) => splits.map(powerOfTen) } : grid,
        ...(unit === 'time' ? { filter: (_plot: uPlot, splits: number[]) => splits.map(powerOfTen) } : {}),
        ...(unit === 'many' ? { incrs: [1, 2, 5, 10, 20, 50, 100, 1_000, 10_000, 100_000] } : {}),
        ticks: { show: false },
        size: 52,
        space: 26,
        gap: 4,
        values: (_plot, splits) => splits.map((value) => (value === null ? '' : write(value))),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.name,
        stroke: colour(line.colour),
        width: 1.75,
        points: { show: false },
        spanGaps: false,
        ...(line.look === 'filled' ? { fill: `color-mix(in oklab, ${colour(line.colour)} 18%, transparent)` } : {}),
        ...(line.look === 'dashed' ? { dash: [5, 4] } : {}),
      })),
    ],
  }
}

/** Of a logarithmic axis only the tens are drawn. */
function powerOfTen(value: number): number | null {
  const power = Math.log10(value)
  return Math.abs(power - Math.round(power)) < 1e-6 ? value : null
}

function clock(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString('en', {
    hour12: false,
    minute: '2-digit',
    second: '2-digit',
    hour: '2-digit',
  })
}
