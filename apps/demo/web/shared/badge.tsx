import { duration } from './format.js'
import type { Receipt } from './http.js'
import { MEANINGS } from './served.js'

/** Says discreetly how something was served and how long that took. */
export function Badge({ receipt }: { receipt: Receipt }) {
  const [word, meaning] = MEANINGS[receipt.how]
  return (
    <span class={`badge badge-${receipt.how}`} title={`${receipt.method} ${receipt.path}: ${meaning}`}>
      <span class="badge-word">{word}</span> <span class="badge-time">{duration(receipt.milliseconds)}</span>
    </span>
  )
}
