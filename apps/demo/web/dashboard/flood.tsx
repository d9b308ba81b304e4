import { duration } from '../shared/format.js'
import { Experiment } from './experiment.js'
import { useRun } from './run.js'

type Report = {
  calls: number
  loads: number
  states: Record<string, number>
  milliseconds: number
  p50: number
  p95: number
}

const CALLS = 200

/** Many ask at once for what is in no cache. */
export function Flood() {
  const cached = useRun<Report>('flood')
  const bare = useRun<Report>('flood')
  return (
    <Experiment
      title="Flood a cold key"
      about={`${CALLS} requests at the same moment for one list that is in no cache.`}
      error={cached.error || bare.error}
      buttons={
        <>
          <button type="button" class="main" disabled={cached.busy} onClick={() => cached.run({ calls: CALLS })}>
            Flood
          </button>
          <button type="button" disabled={bare.busy} onClick={() => bare.run({ calls: CALLS, cached: false })}>
            Without the cache
          </button>
        </>
      }
    >
      {cached.result && <Outcome report={cached.result} name="With the cache" />}
      {bare.result && <Outcome report={bare.result} name="Without" />}
    </Experiment>
  )
}

function Outcome({ report: { calls, loads, milliseconds, p95 }, name }: { report: Report; name: string }) {
  return (
    <div class="flood">
      <p>
        {name}: <strong>{loads === 1 ? '1 load' : `${loads} loads`}</strong> for {calls} requests, the slowest twentieth
        over {duration(p95)}, all within {duration(milliseconds)}
      </p>
      <div class="dots" aria-hidden="true">
        {Array.from({ length: calls }, (_, index) => (
          <i class={index < loads ? 'load' : ''} key={index} />
        ))}
      </div>
    </div>
  )
}
