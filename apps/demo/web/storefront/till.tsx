import { duration } from '../shared/format.js'
import { receipts } from '../shared/http.js'
import { MEANINGS } from '../shared/served.js'

const SHOWN = 14

/** The till roll: how everything that this page asked for was served. */
export function Till() {
  const last = receipts.value
  const kept = last.filter(({ how }) => how === 'hit' || how === 'stale' || how === 'joined').length
  return (
    <details class="till">
      <summary>
        How it was served{' '}
        <span class="figure">
          {kept} of the last {last.length} from the cache
        </span>
      </summary>
      <ol>
        {last.slice(0, SHOWN).map(({ id, method, path, how, milliseconds, status }) => (
          <li key={id} class={`badge-${how}`}>
            <span class="till-path">
              {method === 'GET' ? '' : `${method} `}
              {path}
            </span>
            <span class="till-how">{status >= 400 ? status : MEANINGS[how][0]}</span>
            <span class="figure">{duration(milliseconds)}</span>
          </li>
        ))}
      </ol>
    </details>
  )
}
