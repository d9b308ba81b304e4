import locks, { type Lock } from '@larder/locks'
import { serveWorker } from '@larder/test-redis'
import fastify from 'fastify'
import { Redis } from 'ioredis'
import { ENTER, WRITE } from '../resource.js'

/** One of many who want the same thing, again and again, and act on it only while they hold its lock. */
const redis = new Redis({ sentinels: JSON.parse(process.env.SENTINELS as string), name: process.env.NAME as string })
redis.on('error', () => {})
const resource = new Redis(process.env.RESOURCE as string)
resource.on('error', () => {})
const app = fastify()
await app.register(locks, { redis, namespace: 'chaos', ttl: 1_500, wait: '4s', deadline: '1s' })

let running = true

const methods = {
  /** Works until it is stopped. */
  work: async () => {
    while (running) {
      try {
        await app.locks.using('resource', act)
      } catch (error) {
        const { code } = error as { code?: string }
        if (code !== 'LARDER_LOCKS_TIMEOUT' && code !== 'LARDER_LOCKS_UNAVAILABLE') throw error
        await resource.hincrby('failed', code, 1)
        await pause(20)
      }
    }
  },
  stop: () => {
    running = false
  },
}

/** What the test calls. */
export type Methods = typeof methods

async function act(lock: Lock): Promise<void> {
  const token = String(lock.fencingToken)
  // Whoever does not look at its lock, or is stopped after it looked, is what fencing is for.
  const careless = Math.random() < 0.7
  let value: number | undefined
  for (let step = 0; step < 3; step++) {
    await pause(Math.random() * 15)
    const { held } = lock
    if (!held && !careless) return
    const begun = performance.now()
    const reply: unknown =
      value === undefined
        ? await resource.eval(ENTER, 4, 'fence', 'value', 'owners', 'twice', token, process.pid)
        : await resource.eval(WRITE, 3, 'fence', 'value', 'writes', token, value + 1)
    if (Number(reply) >= 0) value = Number(reply)
    else {
      const report = { at: Date.now(), took: performance.now() - begun, held, pid: process.pid }
      await resource.rpush('refused', JSON.stringify(report))
      return
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

serveWorker(methods, {
  onStop: async () => {
    await app.close()
    redis.disconnect()
    resource.disconnect()
  },
})
