import { type RedisCluster, startCluster } from './cluster.js'
import { ClusterEndpoint } from './cluster-endpoint.js'
import { RedisEndpoint } from './endpoint.js'
import { type RedisServer, startRedis } from './server.js'

/** Names the server that a whole test run shares: `redis://host:port`. */
export const SHARED_REDIS = 'LARDER_TEST_REDIS_URL'
/** Names the nodes of the Cluster that a whole test run shares: `host:port,host:port,…`. */
export const SHARED_CLUSTER = 'LARDER_TEST_REDIS_CLUSTER'

let ownServer: Promise<RedisServer> | undefined
let ownCluster: Promise<RedisCluster> | undefined

/**
 * A server that all tests share: the one that the test run started, else one of this process. For tests that keep
 * to a {@link uniqueNamespace} and need no fault, no flush and no exact command counts.
 */
export async function sharedRedis(): Promise<SharedRedis> {
  const url = process.env[SHARED_REDIS] ?? (await ownRedis()).url
  const { hostname, port } = new URL(url)
  return new SharedRedis(hostname, Number(port))
}

/** A Cluster of three masters that all tests share; see {@link sharedRedis}. */
export async function sharedCluster(): Promise<SharedCluster> {
  const seeds = process.env[SHARED_CLUSTER]?.split(',').map((address) => new URL(`redis://${address}`))
  const nodes = seeds
    ? seeds.map(({ hostname, port }) => new RedisEndpoint(hostname, Number(port)))
    : (await ownNodes()).map(({ host, port }) => new RedisEndpoint(host, port))
  const cluster = new SharedCluster(nodes)
  await cluster.ready()
  return cluster
}

/**
 * Starts the servers that a whole test run shares; `env` is for its test processes. The Cluster may need a moment
 * more, for which {@link sharedCluster} waits.
 */
export async function startShared(): Promise<{ env: NodeJS.ProcessEnv; stop: () => Promise<void> }> {
  const [server, cluster] = await Promise.all([startRedis(), startCluster({ wait: false })])
  const addresses = cluster.seeds.map(({ host, port }) => `${host}:${port}`)
  return {
    env: { [SHARED_REDIS]: server.url, [SHARED_CLUSTER]: addresses.join() },
    stop: async () => {
      await Promise.all([server.stop(), cluster.stop()])
    },
  }
}

/** One test's face of the shared server. */
export class SharedRedis extends RedisEndpoint implements AsyncDisposable {
  /** Closes the clients that {@link client} made; the server lives on for others. */
  async stop(): Promise<void> {
    this.closeClients()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

/** One test's face of the shared Cluster. */
export class SharedCluster extends ClusterEndpoint implements AsyncDisposable {
  /** Closes the clients that {@link client} made; the Cluster lives on for others. */
  async stop(): Promise<void> {
    this.closeClients()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function ownRedis(): Promise<RedisServer> {
  ownServer ??= startRedis()
  return ownServer
}

async function ownNodes(): Promise<readonly RedisServer[]> {
  ownCluster ??= startCluster()
  return (await ownCluster).nodes
}
