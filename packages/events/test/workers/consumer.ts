import { setTimeout as sleep } from 'node:timers/promises'
import events, { type Consumer } from '@larder/events'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'

const { REDIS = '', NAMESPACE = '' } = process.env

const redis = new Redis(REDIS, { retryStrategy: () => 20 })
redis.on('error', () => {})
/** Another way to the server, for the record of what was handled. */
const record = new Redis(process.env.RECORD ?? REDIS)
const app = fastify()
await app.register(events, { redis, namespace: NAMESPACE, heartbeat: 200, deadline: '1s' })
let consumer: Consumer | undefined

const methods = {
  /** Handles entries: each takes a while, and is noted when it is done. */
  async consume(group: string, claimAfter: number): Promise<void> {
    consumer = app.events.stream<number>('orders').consume(
      group,
      async ({ payload }) => {
        await sleep(Math.random() * 4)
        await record.hincrby('handled', String(payload), 1)
      },
      { concurrency: 8, claimAfter, attempts: 50, backoff: { first: 10, longest: 100 } },
    )
  },
  async stop(): Promise<void> {
    await consumer?.stop()
  },
}
export type Methods = typeof methods

await serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
    record.disconnect()
  },
})
