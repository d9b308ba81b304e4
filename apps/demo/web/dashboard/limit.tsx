import { useState } from 'preact/hooks'
import { ask, Refusal } from '../shared/http.js'
import { Experiment } from './experiment.js'

type Spent = { refused: boolean; remaining: string }

const TRIES = 13

/** Ten requests are allowed in twenty seconds; this sends more. */
export function Limit() {
  const [spent, setSpent] = useState<Spent[]>([])
  const [wait, setWait] = useState('')
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const spend = async () => {
    setBusy(true)
    setSpent([])
    setWait('')
    setError('')
    try {
      for (let round = 0; round < TRIES; round++) {
        const { refused, headers } = await attempt()
        setSpent((before) => [...before, { refused, remaining: headers.get('x-ratelimit-remaining') ?? '' }])
        if (refused) setWait(headers.get('retry-after') ?? '')
      }
    } catch (thrown) {
      setError(thrown instanceof Refusal ? thrown.message : 'The shop does not answer')
    }
    setBusy(false)
  }
  const allowed = spent.filter(({ refused }) => !refused).length
  return (
    <Experiment
      title="Spend the rate limit"
      about={`Ten requests are allowed within twenty seconds; this sends ${TRIES}.`}
      error={error}
      buttons={
        <button type="button" class="main" disabled={busy} onClick={spend}>
          Send {TRIES} requests
        </button>
      }
    >
      {spent.length > 0 && (
        <>
          <div class="dots large" aria-hidden="true">
            {spent.map(({ refused }, index) => (
              // They only ever grow at the end.
              <i class={refused ? 'load' : 'let'} key={`${index}`} />
            ))}
          </div>
          <p>
            {allowed} let through, {spent.length - allowed} refused{wait && `: come back in ${wait} s`}
          </p>
        </>
      )}
    </Experiment>
  )
}

async function attempt(): Promise<{ refused: boolean; headers: Headers }> {
  try {
    return { refused: false, headers: (await ask('POST', '/dashboard/experiments/limit')).headers }
  } catch (error) {
    if (error instanceof Refusal && error.status === 429) return { refused: true, headers: error.headers }
    throw error
  }
}
