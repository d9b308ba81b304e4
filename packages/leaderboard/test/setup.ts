import leaderboard, { type LeaderboardOptions, type Leaderboards, type Standing } from '@larder/leaderboard'
import {
  type ClientOptions,
  type RedisEndpoint,
  type SharedCluster,
  sharedCluster,
  sharedRedis,
  uniqueNamespace,
} from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'
import type { Cluster, Redis } from 'ioredis'
import type { Test } from 'tap'

/** What a subtest of tap is given. */
export type T = Pick<Test, 'teardown'>

/** An application with leaderboards, as one process has it: with a client of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly leaderboards: Leaderboards
  /** First part of its keys. */
  readonly namespace: string
}

/** Where scores are kept. */
export interface Site {
  readonly name: string
  /** A process, and another on the same scores. Ends with the test. */
  open(t: T, options?: LeaderboardOptions): Promise<Opened>
  peer(t: T, opened: Opened, options?: LeaderboardOptions): Promise<Opened>
}

/** An application whose leaderboards have these options. */
export async function open(t: T, options: LeaderboardOptions): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(leaderboard, { ...options, namespace })
  return { app, leaderboards: app.leaderboards, namespace }
}

/** A client that ends with the test, after the application that was given it. */
export function client(t: T, server: Pick<RedisEndpoint, 'client'>, options?: ClientOptions): Redis {
  const redis = server.client(options)
  t.teardown(() => redis.disconnect())
  return redis
}

function clusterClient(t: T, cluster: SharedCluster): Cluster {
  const redis = cluster.client()
  t.teardown(() => redis.disconnect())
  return redis
}

let names = 0

/** Memory, one Redis, and a Cluster of three. */
export async function allSites(): Promise<Site[]> {
  const [server, cluster] = await Promise.all([sharedRedis(), sharedCluster()])
  return [
    {
      name: 'in memory',
      open: (t, options) => open(t, { redis: false, ...options }),
      peer: async (_t, { app, namespace }, options) => {
        const name = `peer${++names}`
        await app.register(leaderboard, { redis: false, ...options, namespace, name })
        const { [name]: leaderboards } = app.leaderboards as unknown as Record<string, Leaderboards>
        return { app, leaderboards: leaderboards as Leaderboards, namespace }
      },
    },
    {
      name: 'on one Redis',
      open: (t, options) => open(t, { redis: client(t, server), ...options }),
      peer: (t, { namespace }, options) => open(t, { redis: client(t, server), ...options, namespace }),
    },
    {
      name: 'on Cluster',
      open: (t, options) => open(t, { redis: clusterClient(t, cluster), ...options }),
      peer: (t, { namespace }, options) => open(t, { redis: clusterClient(t, cluster), ...options, namespace }),
    },
  ]
}

/** The code of the error that a call rejects with. */
export async function codeOf(promise: PromiseLike<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

/** `ann 3, bob 2`; fails when the ranks do not follow each other from the first one on. */
export function lines(standings: readonly Standing[], first = 1): string {
  for (const [i, { rank }] of standings.entries()) if (rank !== first + i) throw new Error(`rank ${rank} at line ${i}`)
  return standings.map(({ member, score }) => `${member} ${score}`).join(', ')
}
