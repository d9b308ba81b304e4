import { Refusal } from '../shared/http.js'

/** Says what went wrong, and lets one try again. */
export function Trouble({ error, again }: { error: Error; again: () => void }) {
  return (
    <div class="trouble" role="alert">
      <p>{error instanceof Refusal ? error.message : 'The shop does not answer.'}</p>
      <button type="button" onClick={again}>
        Try again
      </button>
    </div>
  )
}
