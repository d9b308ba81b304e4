import { useEffect } from 'preact/hooks'
import { notice } from './account.js'

const SHOWN = 5_000

/** The last thing that happened, for a while. */
export function Notice() {
  const current = notice.value
  useEffect(() => {
    if (current === undefined) return
    const timer = setTimeout(() => (notice.value = undefined), SHOWN)
    return () => clearTimeout(timer)
  }, [current])
  return (
    <div class="notice" role="status" aria-live="polite">
      {current && <p class={current.bad ? 'bad' : ''}>{current.text}</p>}
    </div>
  )
}
