import { type CommandOutcome, type RedisEvent, redisChannel } from './channels.js'
import { RedisTimeoutError, RedisUnavailableError } from './errors.js'

/** When a command is sent; 0 when nobody listens. */
export function startTrip(): number {
  return redisChannel.hasSubscribers ? performance.now() : 0
}

/** Tells `larder:redis` how long a command took that began at `since`, and how it ended. */
export function tellTrip(client: object, since: number, error?: Error): void {
  if (since === 0 || !redisChannel.hasSubscribers) return
  const milliseconds = performance.now() - since
  const event: RedisEvent = { client, type: 'command', milliseconds, outcome: error ? outcomeOf(error) : 'ok' }
  redisChannel.publish(event)
}

function outcomeOf(error: Error): CommandOutcome {
  if (error instanceof RedisTimeoutError) return 'timeout'
  if (error instanceof RedisUnavailableError) return 'unavailable'
  // The script is sent as a whole then: nothing went wrong.
  return error.message.startsWith('NOSCRIPT') ? 'ok' : 'refused'
}
