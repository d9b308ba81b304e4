import type { ComponentChildren } from 'preact'
import { Chart, type ChartProps } from './chart.js'

/** What a {@link Panel} shows. */
export type PanelProps = ChartProps & { title: string; about: string; size?: 'wide'; children?: ComponentChildren }

/** A chart, with what it says in words and figures. */
export function Panel({ title, about, size, children, ...chart }: PanelProps) {
  const { lines, write } = chart
  return (
    <section class={`panel ${size ?? ''}`}>
      <h2>{title}</h2>
      <p class="about">{about}</p>
      <dl class="lines">
        {lines.map(({ name, colour, values, look }) => {
          const value = values.at(-1)
          return (
            <div key={name}>
              <dt>
                <span
                  class={`swatch ${look === 'dashed' ? 'dashed' : ''}`}
                  style={{ '--swatch': `var(--${colour})` }}
                />
                {name}
              </dt>
              <dd class="figure">{value === null || value === undefined ? '–' : write(value)}</dd>
            </div>
          )
        })}
      </dl>
      <Chart {...chart} />
      {children}
    </section>
  )
}
