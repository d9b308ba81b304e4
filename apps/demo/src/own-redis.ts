import type { RedisServer } from '@larder/test-redis'
import { StartError } from './errors.js'

/** A Redis server that the shop starts for itself, so that it may be stopped and started again before one's eyes. */
export type OwnRedis = { readonly url: string; isRunning(): boolean; start(): Promise<void>; stop(): Promise<void> }

/**
 * Starts one on a free port of 127.0.0.1 that keeps nothing on disk. It ends with this process.
 *
 * @throws StartError where there is no Redis server to start
 */
export async function startOwnRedis(): Promise<OwnRedis> {
  const server = await start().catch((error: Error) => {
    throw new StartError(`Cannot start a Redis server (LARDER_DEMO_REDIS): ${error.message}`)
  })
  let running = true
  return {
    url: server.url,
    isRunning: () => running,
    start: async () => {
      if (!running) await server.restart()
      running = true
    },
    stop: async () => {
      running = false
      await server.kill()
    },
  }
}

async function start(): Promise<RedisServer> {
  const { startRedis } = await import('@larder/test-redis')
  return startRedis()
}
