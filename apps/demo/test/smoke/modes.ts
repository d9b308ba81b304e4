import type { PGlite } from '@electric-sql/pglite'
import { hashPassword, openPglite } from '@larder/demo'
import { sharedCluster, sharedRedis } from '@larder/test-redis'
import type { Shops } from './check.js'
import { ShopClient } from './client.js'
import { PostgresServer } from './postgres-server.js'
import { ShopProcess } from './shop-process.js'

/** What the shop may run on. */
export type Mode = 'memory' | 'one Redis' | 'Cluster'

export const MODES: readonly Mode[] = ['memory', 'one Redis', 'Cluster']

/** Shops that run, and their end. */
export type RunningShops = Shops & { stop: () => Promise<void> }

/** One database for all shops that share a Redis: a PGlite behind a socket, as an embedded one belongs to one process. */
export class SharedDatabase {
  #opened: Promise<{ pglite: PGlite; server: PostgresServer }> | undefined

  /** What to connect to. */
  async url(): Promise<string> {
    this.#opened ??= open()
    return (await this.#opened).server.url
  }

  async stop(): Promise<void> {
    const opened = await this.#opened
    await opened?.server.stop()
    await opened?.pglite.close()
  }
}

/** Starts the shop in memory as one process, on Redis as two that share a database. */
export async function startShops(mode: Mode, database: SharedDatabase): Promise<RunningShops> {
  if (mode === 'memory') return startProcesses('memory', [{}])
  const environment = { REDIS_URL: await redisUrl(mode), DATABASE_URL: await database.url() }
  return startProcesses('ready', [environment, environment])
}

async function open(): Promise<{ pglite: PGlite; server: PostgresServer }> {
  const pglite = await openPglite()
  // In memory logins cost what they should. Here they need not, so often as the checks log in.
  const cheap = await hashPassword('larder', { ln: 4, r: 8, p: 1 })
  await pglite.query('UPDATE shop.users SET password_hash = $1', [cheap])
  return { pglite, server: await PostgresServer.start(pglite) }
}

async function redisUrl(mode: Exclude<Mode, 'memory'>): Promise<string> {
  if (mode === 'one Redis') return (await sharedRedis()).url
  const { seeds } = await sharedCluster()
  return seeds.map(({ host, port }) => `redis://${host}:${port}`).join()
}

async function startProcesses(redis: Shops['redis'], environments: NodeJS.ProcessEnv[]): Promise<RunningShops> {
  const processes = environments.map((environment) => new ShopProcess(environment))
  const stop = async () => {
    const endings = await Promise.all(processes.map((shop) => shop.stop()))
    for (const { code, signal } of endings)
      if (code !== 0)
        throw new Error(`A shop ended with ${signal ?? `code ${code}`}: ${processes.map((p) => p.errors)}`)
  }
  try {
    const [a, b] = (await Promise.all(processes.map((shop) => shop.address()))).map(
      (address) => new ShopClient(address),
    )
    return { a: a!, b: b ?? a!, redis, stop } // there is at least one
  } catch (error) {
    await stop().catch(() => {})
    throw error
  }
}
