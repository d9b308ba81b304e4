import { Redis, type RedisOptions } from 'ioredis'
import { ClientSet } from './client-set.js'

/** How often each command ran, by its lower-case name; subcommands as `client|id`. */
export type CommandCounts = Record<string, number>

/** Options of an ioredis client; the server's address is known. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping' | 'host' | 'port'>

/** A client that sends nothing by itself, so that it stays invisible in the counts; it fails rather than waits. */
export const SILENT: ClientOptions = {
  protocol: 2,
  lazyConnect: true,
  enableReadyCheck: false,
  disableClientInfo: true,
  retryStrategy: () => null,
}

/** The address of a Redis server, and ways to talk to it. */
export class RedisEndpoint {
  readonly host: string
  readonly port: number
  readonly #clients = new ClientSet<Redis>()
  /** The helper's own calls of INFO, which {@link commandCounts} takes out. */
  #ownInfos = 0

  constructor(host: string, port: number) {
    this.host = host
    this.port = port
  }

  /** `redis://host:port`. */
  get url(): string {
    return `redis://${this.host}:${this.port}`
  }

  /** An ioredis client of this server. It has an `error` listener and is closed by `stop()`. */
  client(options: ClientOptions = {}): Redis {
    return this.#clients.add(new Redis({ ...options, host: this.host, port: this.port }))
  }

  /**
   * Runs one command over a connection of its own, as redis-cli or another program would.
   *
   * @example await server.cli('SET', 'key', 'value')
   */
  async cli<Reply = unknown>(command: string, ...args: (string | number | Buffer)[]): Promise<Reply> {
    const connection = this.client(SILENT)
    try {
      await connection.connect()
      return (await connection.call(command, args)) as Reply
    } finally {
      connection.disconnect()
    }
  }

  /**
   * How often each command ran since the start or the last {@link resetCommandCounts}: also those that scripts
   * ran and those that ioredis sends on connecting, but not this call's own.
   */
  async commandCounts(): Promise<CommandCounts> {
    const stats = await this.cli<string>('INFO', 'commandstats')
    const counts: CommandCounts = {}
    for (const [, name, calls] of stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
      if (name !== undefined) counts[name] = Number(calls)
    }
    return this.#withoutOwn(counts)
  }

  /** Starts {@link commandCounts} from zero. */
  async resetCommandCounts(): Promise<void> {
    await this.cli('CONFIG', 'RESETSTAT')
    this.#ownInfos = 0
  }

  /** Closes the clients that {@link client} made. */
  closeClients(): void {
    this.#clients.close()
  }

  /** Says that the server's statistics started from zero. */
  protected forgetCounts(): void {
    this.#ownInfos = 0
  }

  #withoutOwn(counts: CommandCounts): CommandCounts {
    // The INFO that is answering counts itself only afterwards.
    const { info = 0, 'config|resetstat': _, ...rest } = counts
    const others = info - this.#ownInfos++
    return others > 0 ? { ...rest, info: others } : rest
  }
}
