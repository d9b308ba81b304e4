import { ClusterEndpoint, SLOTS } from './cluster-endpoint.js'
import { pollUntil } from './poll.js'
import { moveSlots } from './reshard.js'
import { type RedisServer, startRedis } from './server.js'

/** What {@link startCluster} takes. */
export type ClusterServerOptions = {
  /** How many masters share the slots. Default 3. */
  masters?: number
  /** How many replicas each master has. Default 0. */
  replicas?: number
  /** Further arguments of each node. */
  args?: string[]
  /** Whether to wait until the Cluster serves. Default true. */
  wait?: boolean
}

/** Which slots {@link RedisCluster.reshard} moves. */
export type Reshard = {
  from: RedisServer
  to: RedisServer
  /** Their numbers, or how many: then the first ones that `from` has. */
  slots: number | number[]
}

const NODE_ARGS = ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-node-timeout', '2000']

/**
 * Starts a real Redis Cluster on free ports of 127.0.0.1. It takes two seconds: a new master waits that long
 * before it takes writes. It ends with this process.
 *
 * @example
 * const cluster = await startCluster()
 * t.teardown(() => cluster.stop())
 * const redis = cluster.client()
 */
export async function startCluster(options: ClusterServerOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 0, args = [], wait = true } = options
  const count = masters * (1 + replicas)
  const started = await Promise.allSettled(
    Array.from({ length: count }, () => startRedis({ portUse: 'node', args: [...NODE_ARGS, ...args] })),
  )
  const nodes = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const cluster = new RedisCluster(nodes)
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason
    await join(nodes, masters)
    if (wait) await cluster.ready()
    return cluster
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

/** A Redis Cluster of one's own, to reshard, fail over, stop, kill and suspend. */
export class RedisCluster extends ClusterEndpoint<RedisServer> implements AsyncDisposable {
  /** Moves slots and the keys in them while clients go on; resolves with the slots' numbers when all nodes know. */
  reshard({ from, to, slots }: Reshard): Promise<number[]> {
    return moveSlots({ nodes: this.nodes, from, to, slots })
  }

  /** Makes a replica the master of its slots, without losing a write; resolves when all nodes know. */
  async failover(replica: RedisServer): Promise<void> {
    await replica.cli('CLUSTER', 'FAILOVER')
    const id = await replica.cli<string>('CLUSTER', 'MYID')
    await Promise.all(
      this.nodes.map((node) =>
        pollUntil(`${node.url} to know the new master`, async () => {
          const lines = (await node.cli<string>('CLUSTER', 'NODES')).split('\n')
          return lines.some((line) => line.startsWith(id) && /^\S+ \S+ \S*master/.test(line))
        }),
      ),
    )
  }

  /** Ends all nodes and closes the clients that {@link client} made. */
  async stop(): Promise<void> {
    this.closeClients()
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** Shares the slots among the first nodes, makes all acquainted, and the rest replicas of the first. */
async function join(nodes: RedisServer[], masters: number): Promise<void> {
  await Promise.all(
    nodes.map(async (node, index) => {
      // Epochs of their own from the start spare the nodes the settling of a conflict.
      await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)
      if (index < masters) await node.cli('CLUSTER', 'ADDSLOTS', ...slotsOf(index, masters))
    }),
  )
  await Promise.all(
    nodes.map(async (node) => {
      for (const other of nodes) if (other !== node) await node.cli('CLUSTER', 'MEET', other.host, other.port)
    }),
  )
  await Promise.all(nodes.slice(masters).map((replica, index) => follow(replica, nodes[index % masters])))
}

async function follow(replica: RedisServer, master: RedisServer | undefined): Promise<void> {
  if (!master) return
  const id = await master.cli<string>('CLUSTER', 'MYID')
  // Refused until gossip has told the replica of its master.
  await pollUntil(`${replica.url} to follow ${master.url}`, async () => {
    await replica.cli('CLUSTER', 'REPLICATE', id)
    return true
  })
  await pollUntil(`${replica.url} to be in step`, async () =>
    (await replica.cli<string>('INFO', 'replication')).includes('master_link_status:up'),
  )
}

function slotsOf(index: number, masters: number): number[] {
  const first = Math.ceil((index * SLOTS) / masters)
  const next = Math.ceil(((index + 1) * SLOTS) / masters)
  return Array.from({ length: next - first }, (_, offset) => first + offset)
}
