import { sharedCluster, sharedRedis } from '@larder/test-redis'
import type { FastifyInstance } from 'fastify'
import { ageOn, dumpOf } from './look.js'
import { client, listen, PATIENT, type Site } from './setup.js'

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  const clocks = new Map<string, { offset: number; server: FastifyInstance['server'] }>()
  return [
    {
      name: 'in memory',
      open: async (t, options) => {
        const clock = { offset: 0 }
        const opened = await listen(t, { redis: false, now: () => Date.now() + clock.offset, ...options })
        clocks.set(opened.namespace, Object.assign(clock, { server: opened.app.server }))
        return opened
      },
      // Sessions in memory are those of one server: the peer is the same process.
      peer: async (_t, opened) => opened,
      age: async ({ namespace }, milliseconds) => {
        const clock = clocks.get(namespace)
        if (clock) clock.offset += milliseconds
      },
      dump: async () => '',
    },
    {
      name: 'on one Redis',
      open: (t, options) => listen(t, { redis: client(t, server), deadline: PATIENT, ...options }),
      peer: (t, { namespace }, options) =>
        listen(t, { redis: client(t, server), deadline: PATIENT, ...options, namespace }),
      age: ({ namespace }, milliseconds) => ageOn([server], namespace, milliseconds),
      dump: ({ namespace }) => dumpOf([server], namespace),
    },
    {
      name: 'on Cluster',
      open: (t, options) => listen(t, { redis: client(t, cluster), deadline: PATIENT, ...options }),
      peer: (t, { namespace }, options) =>
        listen(t, { redis: client(t, cluster), deadline: PATIENT, ...options, namespace }),
      age: ({ namespace }, milliseconds) => ageOn(cluster.nodes, namespace, milliseconds),
      dump: ({ namespace }) => dumpOf(cluster.nodes, namespace),
    },
  ]
}
