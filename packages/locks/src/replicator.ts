import { type Argument, isCluster, type RedisClient, type Script } from '@larder/core'

/**
 * Runs a script and waits until replicas have what it wrote. WAIT blocks its connection and speaks of that connection's own
 * writes only: so it has one of its own, a duplicate of the supplied client, made when first needed.
 */
export class Replicator {
  readonly #client: RedisClient
  readonly #deadline: number
  #own: RedisClient | undefined

  constructor(client: RedisClient, deadline: number) {
    this.#client = client
    this.#deadline = deadline
  }

  /** How many replicas confirmed within the deadline; the connection has as long to come up. On Cluster the node of the keys. */
  async run(script: Script, keys: readonly string[], args: readonly Argument[], replicas: number): Promise<number> {
    this.#own ??= this.#connect()
    const pipeline = this.#own.pipeline().eval(script.source, keys.length, ...keys, ...args)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, 2 * this.#deadline, null).unref()
    })
    const replies = await Promise.race([pipeline.call('WAIT', replicas, Math.ceil(this.#deadline)).exec(), late])
    clearTimeout(timer)
    const [first, second] = replies ?? []
    if (!first || !second) throw new Error(`no answer to WAIT within ${2 * this.#deadline} ms`)
    const error = first[0] ?? second[0]
    if (error) throw error
    return Number(second[1])
  }

  close(): void {
    this.#own?.disconnect()
  }

  #connect(): RedisClient {
    const own: RedisClient = isCluster(this.#client) ? this.#client.duplicate() : this.#client.duplicate()
    own.on('error', () => {})
    return own
  }
}
