import type { Cluster, Redis } from 'ioredis'
import type { RedisEndpoint } from './endpoint.js'
import { sharedCluster, sharedRedis } from './shared.js'
import { client, type T } from './test-client.js'

/** Options that every plugin of ours takes. */
export interface SiteOptions {
  redis?: Redis | Cluster | false
  namespace?: string
  name?: string
}

/** Where a plugin keeps its data: one suite of tests runs at each. */
export interface Site<Options, Opened> {
  readonly name: string
  /** The servers; none in memory. */
  readonly nodes: readonly RedisEndpoint[]
  /** An application, as one process has it: with a client of its own. Ends with the test. */
  open(t: T, options?: Options): Promise<Opened>
  /** Another one on the same data. In memory that is a registration more in the same application. */
  peer(t: T, opened: Opened, options?: Options): Promise<Opened>
}

let names = 0

/**
 * Memory, one Redis, and a Cluster of three.
 *
 * @param open an application with these options; @param register registers the plugin once more in an application, under `name`
 */
export async function sitesOf<Options extends SiteOptions, Opened extends { readonly namespace: string }>(
  open: (t: T, options: Options) => Promise<Opened>,
  register: (opened: Opened, name: string, options: Options) => Promise<Opened>,
): Promise<Site<Options, Opened>[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  const onRedis = (name: string, nodes: readonly RedisEndpoint[], connect: (t: T) => Redis | Cluster) => ({
    name,
    nodes,
    open: (t: T, options?: Options) => open(t, { redis: connect(t), ...options } as Options),
    peer: (t: T, { namespace }: Opened, options?: Options) =>
      open(t, { redis: connect(t), ...options, namespace } as Options),
  })
  return [
    {
      name: 'in memory',
      nodes: [],
      open: (t, options) => open(t, { redis: false, ...options } as Options),
      peer: (_t, opened, options) => {
        const name = `peer${++names}`
        return register(opened, name, { redis: false, ...options, namespace: opened.namespace, name } as Options)
      },
    },
    onRedis('on one Redis', [server], (t) => client(t, server)),
    onRedis('on Cluster', cluster.nodes, (t) => client(t, cluster)),
  ]
}
