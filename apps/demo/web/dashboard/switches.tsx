import { duration } from '../shared/format.js'
import { Experiment } from './experiment.js'
import { useRun } from './run.js'
import { latest } from './stream.js'

/** Made-up visitors, so that there is something to see. */
export function Visitors() {
  const { run, error, busy } = useRun('visitors')
  const here = latest()?.experiments.visitors ?? 0
  return (
    <Experiment
      title="Visitors"
      about="Made-up people look around, and one in a hundred visits buys. They go home after five minutes."
      error={error}
      buttons={[0, 5, 20, 40].map((count) => (
        <button type="button" key={count} disabled={busy} aria-pressed={here === count} onClick={() => run({ count })}>
          {count === 0 ? 'Nobody' : count}
        </button>
      ))}
    />
  )
}

/** What the shop is without its cache. */
export function CacheSwitch() {
  const { run, error, busy } = useRun('cache')
  const off = latest()?.experiments.cacheOff ?? false
  return (
    <Experiment
      title="Run without the cache"
      about="The catalogue asks the database for everything, for a minute at most. Let visitors in and watch latency and loads."
      error={error}
      buttons={
        <button type="button" class={off ? 'main' : ''} disabled={busy} onClick={() => run({ on: off })}>
          {off ? 'Switch the cache on' : 'Switch the cache off'}
        </button>
      }
    />
  )
}

/** A lock and its queue. */
export function LockQueue() {
  const { run, error, busy } = useRun('lock')
  const sample = latest()
  const lock = sample?.experiments.lock
  return (
    <Experiment
      title="Hold a lock"
      about="Each press queues for one lock and holds it for four seconds. First come, first served."
      error={error}
      buttons={
        <button type="button" class="main" disabled={busy} onClick={() => run()}>
          Take the lock
        </button>
      }
    >
      {sample && lock && (lock.holder || lock.waiters.length > 0) && (
        <ol class="queue">
          {lock.holder && (
            <li class="holds">
              holds it, token {lock.holder.token}, for {duration(sample.at - lock.holder.since)}
            </li>
          )}
          {lock.waiters.map(({ since }, index) => (
            <li key={`${since} ${index}`}>waits for {duration(sample.at - since)}</li>
          ))}
        </ol>
      )}
    </Experiment>
  )
}

/** The outage. */
export function RedisSwitch() {
  const { run, error, busy } = useRun('redis')
  const redis = latest()?.experiments.redis
  const reasons = {
    memory:
      'The shop keeps everything in its own memory now. Start it with LARDER_DEMO_REDIS=1, and it has a Redis of its own to stop here.',
    supplied:
      'The shop uses a Redis that others started, and leaves it alone. Start it with LARDER_DEMO_REDIS=1 instead of REDIS_URL to try this.',
  }
  const ours = redis === 'running' || redis === 'stopped'
  return (
    <Experiment
      title="Stop Redis"
      about={
        ours
          ? 'The server ends at once, for a minute at most; then an empty one takes its place. The shop goes on.'
          : (reasons[redis ?? 'memory'] ?? '')
      }
      error={error}
      buttons={
        <button
          type="button"
          class={redis === 'stopped' ? 'main' : ''}
          disabled={busy || !ours}
          onClick={() => run({ on: redis === 'stopped' })}
        >
          {redis === 'stopped' ? 'Start Redis' : 'Stop Redis'}
        </button>
      }
    />
  )
}
