import { Gate } from '@larder/core'
import { pollUntil, type RedisServer } from '@larder/test-redis'
import type { Redis } from 'ioredis'
import { Journal, type T } from './setup.js'

/** A gate that is up and ends with the test. */
export async function gateOf(t: T, redis: Redis, deadline = 250): Promise<{ gate: Gate; log: Journal }> {
  const log = new Journal()
  const gate = new Gate(redis, { deadline, log })
  t.teardown(() => gate.close())
  await gate.breaker.settled(5_000)
  await pollUntil('the breaker to close', () => gate.up)
  return { gate, log }
}

/** How many `close` listeners a client has that no breaker knows. */
export function listenersOf(server: RedisServer): number {
  const other = server.client({ lazyConnect: true })
  const count = other.listenerCount('close')
  other.disconnect()
  return count
}
