import locks, { type AcquireOptions, type Lock } from '@larder/locks'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'

const redis = new Redis(process.env.REDIS as string)
redis.on('error', () => {})
const app = fastify()
await app.register(locks, { redis, namespace: process.env.NAMESPACE as string })
const held = new Map<string, Lock>()

const methods = {
  acquire: async (key: string, options: AcquireOptions) => {
    try {
      held.set(key, await app.locks.acquire(key, options))
      return undefined
    } catch (error) {
      return (error as { code?: string }).code
    }
  },
  release: (key: string) => held.get(key)?.release(),
}

/** What the test calls. */
export type Methods = typeof methods

serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
  },
})
