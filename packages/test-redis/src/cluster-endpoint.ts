import { Cluster, type ClusterOptions } from 'ioredis'
import { ClientSet } from './client-set.js'
import type { CommandCounts, RedisEndpoint } from './endpoint.js'
import { pollUntil } from './poll.js'

/** Options of an ioredis Cluster client; the nodes' addresses are known. */
export type ClusterClientOptions = Omit<ClusterOptions, 'redisOptions'> & {
  redisOptions?: Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>
}

/** How many slots every Redis Cluster has. */
export const SLOTS = 16_384

/** The addresses of a Redis Cluster's nodes, and ways to talk to it. */
export class ClusterEndpoint<Node extends RedisEndpoint = RedisEndpoint> {
  /** The masters in the order of their slots, then their replicas. */
  readonly nodes: readonly Node[]
  readonly #clients = new ClientSet<Cluster>()

  constructor(nodes: readonly Node[]) {
    this.nodes = nodes
  }

  /** The nodes' addresses, as `new Cluster(seeds)` takes them. */
  get seeds(): { host: string; port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }))
  }

  /** An ioredis Cluster client. It has an `error` listener and is closed by `stop()`. */
  client(options: ClusterClientOptions = {}): Cluster {
    return this.#clients.add(new Cluster(this.seeds, options))
  }

  /** How often each command ran, added up over the nodes; see {@link RedisEndpoint.commandCounts}. */
  async commandCounts(): Promise<CommandCounts> {
    const sums: CommandCounts = {}
    for (const counts of await Promise.all(this.nodes.map((node) => node.commandCounts()))) {
      for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count
    }
    return sums
  }

  /** Starts {@link commandCounts} from zero on all nodes. */
  async resetCommandCounts(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.resetCommandCounts()))
  }

  /** The slot of a key. */
  async slotOf(key: string): Promise<number> {
    return this.#any().cli<number>('CLUSTER', 'KEYSLOT', key)
  }

  /** The master that holds a key's slot now. */
  async nodeOf(key: string): Promise<Node> {
    const slot = await this.slotOf(key)
    const ranges = await this.#any().cli<SlotRange[]>('CLUSTER', 'SLOTS')
    const range = ranges.find(([first, last]) => first <= slot && slot <= last)
    const node = this.nodes.find(({ port }) => port === range?.[2][1])
    if (!node) throw new Error(`No node holds slot ${slot}`)
    return node
  }

  /** Resolves when every node knows all others and says that all slots are served. */
  async ready(): Promise<void> {
    await Promise.all(
      this.nodes.map((node) =>
        pollUntil(`${node.url} to join its cluster`, async () => {
          const info = await node.cli<string>('CLUSTER', 'INFO')
          return (
            info.includes('cluster_state:ok') &&
            info.includes(`cluster_slots_ok:${SLOTS}`) &&
            info.includes(`cluster_known_nodes:${this.nodes.length}\r`)
          )
        }),
      ),
    )
  }

  /** Closes the clients that {@link client} made. */
  closeClients(): void {
    this.#clients.close()
    for (const node of this.nodes) node.closeClients()
  }

  #any(): Node {
    const [node] = this.nodes
    if (!node) throw new Error('A cluster has at least one node')
    return node
  }
}

/** A line of CLUSTER SLOTS: first and last slot, the master's address and id, then its replicas'. */
export type SlotRange = [first: number, last: number, master: [host: string, port: number, id: string]]
