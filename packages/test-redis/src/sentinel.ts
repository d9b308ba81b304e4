import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { ClientSet } from './client-set.js'
import { type ClientOptions, SILENT } from './endpoint.js'
import { pollUntil } from './poll.js'
import { type RedisServer, startRedis } from './server.js'

/** What {@link startSentinel} takes. */
export type SentinelServerOptions = {
  /** After how many milliseconds of silence the primary counts as dead. Default 1000. */
  downAfter?: number
}

const NAME = 'larder'
const FAILOVER_LIMIT = 30_000

/**
 * Starts a primary, its replica, and one Sentinel that watches them, on free ports of 127.0.0.1. They end with
 * this process.
 *
 * @example
 * const group = await startSentinel()
 * t.teardown(() => group.stop())
 * const redis = group.client()
 * await group.failover()
 */
export async function startSentinel(options: SentinelServerOptions = {}): Promise<SentinelGroup> {
  const { downAfter = 1000 } = options
  const started: RedisServer[] = []
  const start = async (...args: Parameters<typeof startRedis>) => {
    const server = await startRedis(...args)
    started.push(server)
    return server
  }
  try {
    const primary = await start()
    const replica = await start({ args: ['--replicaof', primary.host, String(primary.port)] })
    await pollUntil('the replica to be in step', async () =>
      (await replica.cli<string>('INFO', 'replication')).includes('master_link_status:up'),
    )
    const sentinel = await start({ configure: (folder) => writeConfig(folder, primary, downAfter) })
    const group = new SentinelGroup(primary, replica, sentinel)
    await group.ready()
    return group
  } catch (error) {
    await Promise.all(started.map((server) => server.stop()))
    throw error
  }
}

/** A primary, a replica and a Sentinel of one's own, to fail over, stop, kill and suspend. */
export class SentinelGroup implements AsyncDisposable {
  /** The name under which the Sentinel knows the primary. */
  readonly name: string = NAME
  /** The Sentinel itself. */
  readonly sentinel: RedisServer
  readonly #clients = new ClientSet<Redis>()
  #primary: RedisServer
  #replica: RedisServer

  /** Use {@link startSentinel}. */
  constructor(primary: RedisServer, replica: RedisServer, sentinel: RedisServer) {
    this.#primary = primary
    this.#replica = replica
    this.sentinel = sentinel
  }

  /** The server that is the primary since the last failover that this object was told of. */
  get primary(): RedisServer {
    return this.#primary
  }

  /** The other one. */
  get replica(): RedisServer {
    return this.#replica
  }

  /** The option `sentinels` of an ioredis client; its `name` is {@link name}. */
  get sentinels(): { host: string; port: number }[] {
    return [{ host: this.sentinel.host, port: this.sentinel.port }]
  }

  /** An ioredis client that follows the primary. It has an `error` listener and is closed by `stop()`. */
  client(options: ClientOptions = {}): Redis {
    return this.#clients.add(new Redis({ ...options, sentinels: this.sentinels, name: NAME }))
  }

  /** Has the Sentinel make the replica the primary; resolves as {@link nextPrimary} does. */
  async failover(): Promise<RedisServer> {
    return this.nextPrimary(() =>
      // Refused with NOGOODSLAVE until the Sentinel has found the other server to be a replica in step.
      pollUntil('the Sentinel to begin a failover', async () => {
        await this.sentinel.cli('SENTINEL', 'FAILOVER', NAME)
        return true
      }),
    )
  }

  /**
   * Does what makes the Sentinel fail over, and resolves with the new primary when the Sentinel names it to clients.
   *
   * @example await group.nextPrimary(() => group.primary.kill())
   */
  async nextPrimary(cause: () => Promise<unknown>): Promise<RedisServer> {
    const before = this.#primary
    const connection = this.sentinel.client({ ...SILENT })
    try {
      await connection.connect()
      const switched = new Promise<void>((resolve) => {
        connection.on('message', () => resolve())
      })
      await connection.subscribe('+switch-master')
      await cause()
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(reject, FAILOVER_LIMIT, new Error(`No failover in ${FAILOVER_LIMIT} ms`))
      })
      await Promise.race([switched, late]).finally(() => clearTimeout(timer))
    } finally {
      connection.disconnect()
    }
    this.#primary = this.#replica
    this.#replica = before
    return this.#primary
  }

  /** Resolves when the Sentinel knows a replica that can take over. */
  async ready(): Promise<void> {
    await pollUntil('the Sentinel to know the replica', async () => {
      const replicas = await this.sentinel.cli<string[][]>('SENTINEL', 'REPLICAS', NAME)
      return replicas.some((fields) => {
        const link = fields[fields.indexOf('master-link-status') + 1]
        return link === 'ok' && fields.includes(String(this.#replica.port))
      })
    })
  }

  /** Ends all three and closes the clients that {@link client} made. */
  async stop(): Promise<void> {
    this.#clients.close()
    await this.sentinel.stop()
    await Promise.all([this.#replica.stop(), this.#primary.stop()])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** A Sentinel keeps what it learns in its configuration file, so it does not start without one. */
function writeConfig(folder: string, primary: RedisServer, downAfter: number): string[] {
  const path = join(folder, 'sentinel.conf')
  const lines = [
    `sentinel monitor ${NAME} ${primary.host} ${primary.port} 1`,
    `sentinel down-after-milliseconds ${NAME} ${downAfter}`,
    `sentinel failover-timeout ${NAME} 5000`,
  ]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return [path, '--sentinel']
}
