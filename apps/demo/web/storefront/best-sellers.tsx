import { useEffect, useState } from 'preact/hooks'
import { get } from '../shared/http.js'
import { learnNames, nameOf } from './product-names.js'
import { href } from './route.js'
import type { Standing } from './types.js'

const WINDOWS = ['day', 'week', 'month', 'all'] as const
const EVERY = 5_000

/** What sells best, asked anew every few seconds while one looks. */
export function BestSellers() {
  const [window, setWindow] = useState<(typeof WINDOWS)[number]>('all')
  const [items, setItems] = useState<readonly Standing[] | undefined>(undefined)
  useEffect(() => {
    const cancel = new AbortController()
    const look = () => document.hidden || best(window, cancel.signal).then(setItems, () => {})
    look()
    const timer = setInterval(look, EVERY)
    return () => {
      cancel.abort()
      clearInterval(timer)
    }
  }, [window])
  const top = items?.[0]?.score ?? 1
  return (
    <section class="best" aria-labelledby="best-title">
      <h2 id="best-title">Best-sellers</h2>
      <fieldset class="tabs">
        <legend class="for-readers">Since when</legend>
        {WINDOWS.map((each) => (
          <button type="button" key={each} aria-pressed={each === window} onClick={() => setWindow(each)}>
            {each}
          </button>
        ))}
      </fieldset>
      {items?.length === 0 && <p class="hint">Nothing sold yet. Be the first.</p>}
      <ol>
        {items?.map(({ member, score }) => (
          <li key={member}>
            <a href={href({ view: 'product', id: Number(member) })}>{nameOf(Number(member))}</a>
            <span class="figure">{score}</span>
            <meter min="0" max={top} value={score} aria-hidden="true" />
          </li>
        ))}
      </ol>
    </section>
  )
}

async function best(window: string, cancel: AbortSignal): Promise<readonly Standing[]> {
  const { value } = await get<{ items: Standing[] }>(`/leaderboards/best-sellers?window=${window}&limit=8`, cancel)
  learnNames(value.items.map(({ member }) => Number(member)))
  return value.items
}
