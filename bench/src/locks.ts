import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import locks, { type Locks } from '@larder/locks'
import { type CommandCounts, startRedis } from '@larder/test-redis'
import Fastify from 'fastify'
import type { Redis } from 'ioredis'
import { type Contender, compare, quantile } from './harness.js'
import type { Result, Suite } from './suite.js'

const TTL = 10_000
const WAITERS = 20
const HOLD = 5
const UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"
const UNLOCK_SHA = createHash('sha1').update(UNLOCK).digest('hex')

/** What everybody writes first: no queue, no fencing token, no renewal, nobody is told of a loss. */
async function raw(redis: Redis, name: string): Promise<void> {
  const id = randomUUID()
  if ((await redis.set(name, id, 'PX', TTL, 'NX')) !== 'OK') throw new Error('The lock is not free')
  if ((await redis.evalsha(UNLOCK_SHA, 1, name, id)) !== 1) throw new Error('The lock was lost')
}

async function ours(app: Locks, name: string): Promise<void> {
  const lock = await app.acquire(name)
  if ((await lock.release()) !== 'released') throw new Error('The lock was lost')
}

/** So many loops at once, each with locks of its own. */
function loops(name: string, width: number, one: (key: string) => Promise<void>): Contender {
  return {
    name,
    run: async (times) => {
      const loop = async (k: number): Promise<void> => {
        for (let i = 0; i < times / width; i++) await one(`order:${k}:${i % 50}`)
      }
      await Promise.all(Array.from({ length: width }, (_, k) => loop(k)))
    },
  }
}

/** What the client sent: the rest are commands of scripts. */
function sent({ evalsha = 0, eval: sources = 0, ping = 0 }: CommandCounts): number {
  return evalsha + sources + ping
}

/** Locks beside the raw commands; what waiting costs. */
export const lockSuite: Suite = {
  name: 'locks',
  run: async () => {
    const server = await startRedis()
    const redis = server.client()
    const pipelined = server.client({ enableAutoPipelining: true })
    const app = Fastify()
    await app.register(locks, { redis: server.client() })
    await redis.script('LOAD', UNLOCK)
    const results: Result[] = []
    for (const [name, width, times] of [
      ['a free lock, one at a time', 1, 2_000],
      ['free locks, 100 at once', 100, 10_000],
    ] as const) {
      results.push(
        ...(await compare({
          name,
          baseline: loops('SET NX PX + EVALSHA', width, (key) => raw(redis, key)),
          contenders: [
            loops('acquire + release', width, (key) => ours(app.locks, key)),
            loops('SET NX PX + EVALSHA, auto-pipelined', width, (key) => raw(pipelined, key)),
          ],
          goal: 0.95,
          times,
        })),
      )
    }
    const work = (): Promise<void> => app.locks.using('contended', () => sleep(HOLD))
    const ratios: number[] = []
    for (let round = -2; round < 9; round++) {
      const begun = performance.now()
      for (let i = 0; i < WAITERS; i++) await sleep(HOLD)
      const between = performance.now()
      await Promise.all(Array.from({ length: WAITERS }, work))
      if (round >= 0) ratios.push((performance.now() - between) / (between - begun))
    }
    const ratio = quantile(ratios, 0.5)
    results.push({
      name: `${WAITERS} waiters, each holds the lock for ${HOLD} ms: time, to that of ${WAITERS} waits of ${HOLD} ms`,
      value: `${ratio.toFixed(2)} (${quantile(ratios, 0.25).toFixed(2)} to ${quantile(ratios, 0.75).toFixed(2)})`,
      goal: '<= 1.25',
      reached: ratio <= 1.25,
    })
    await server.resetCommandCounts()
    await Promise.all(Array.from({ length: WAITERS }, work))
    const commands = sent(await server.commandCounts()) / WAITERS
    results.push({
      name: 'commands of such an acquisition',
      value: commands.toFixed(2),
      goal: '<= 5',
      reached: commands <= 5,
    })
    await app.close()
    await server.stop()
    return results
  },
}
