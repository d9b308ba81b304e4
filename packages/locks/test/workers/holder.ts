import locks, { type AcquireOptions, type Lock } from '@larder/locks'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import { ENTER, WRITE } from '../resource.js'

const redis = new Redis(process.env.REDIS as string)
redis.on('error', () => {})
const resource = new Redis(process.env.RESOURCE ?? (process.env.REDIS as string))
const app = fastify()
await app.register(locks, { redis, namespace: process.env.NAMESPACE as string })
const held = new Map<string, Lock>()

const methods = {
  /** The code of the error, if it fails. */
  acquire: async (key: string, options: AcquireOptions) => {
    try {
      held.set(key, await app.locks.acquire(key, options))
      return undefined
    } catch (error) {
      return (error as { code?: string }).code
    }
  },
  release: (key: string) => held.get(key)?.release(),
  /** Acquires, and touches what the lock protects: see resource.ts. */
  enter: async (key: string, options: AcquireOptions) => {
    held.set(key, await app.locks.acquire(key, options))
    return methods.enterAgain(key)
  },
  enterAgain: (key: string) => resource.eval(ENTER, 4, 'fence', 'value', 'owners', 'twice', token(key), process.pid),
  write: (key: string, value: number) => resource.eval(WRITE, 3, 'fence', 'value', 'writes', token(key), value),
}

/** What the test calls. */
export type Methods = typeof methods

function token(key: string): string {
  return String(held.get(key)?.fencingToken)
}

serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
    resource.disconnect()
  },
})
