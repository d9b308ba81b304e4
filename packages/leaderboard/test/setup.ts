import leaderboard, { type LeaderboardOptions, type Leaderboards, type Standing } from '@larder/leaderboard'
import { type Site as SharedSite, sitesOf, type T, uniqueNamespace } from '@larder/test-redis'
import fastify, { type FastifyInstance } from 'fastify'

export { client, codeOf, type T } from '@larder/test-redis'

/** An application with leaderboards, as one process has it: with a client of its own. */
export interface Opened {
  readonly app: FastifyInstance
  readonly leaderboards: Leaderboards
  /** First part of its keys. */
  readonly namespace: string
}

/** Where scores are kept. */
export type Site = SharedSite<LeaderboardOptions, Opened>

/** An application whose leaderboards have these options. */
export async function open(t: T, options: LeaderboardOptions): Promise<Opened> {
  const app = fastify()
  t.teardown(() => app.close())
  const namespace = options.namespace ?? uniqueNamespace()
  await app.register(leaderboard, { ...options, namespace })
  return { app, leaderboards: app.leaderboards, namespace }
}

/** Memory, one Redis, and a Cluster of three. */
export function allSites(): Promise<Site[]> {
  return sitesOf(open, async ({ app, namespace }, name, options) => {
    await app.register(leaderboard, options)
    return {
      app,
      leaderboards: (app.leaderboards as unknown as Record<string, Leaderboards>)[name] as Leaderboards,
      namespace,
    }
  })
}

/** `ann 3, bob 2`; fails when the ranks do not follow each other from the first one on. */
export function lines(standings: readonly Standing[], first = 1): string {
  for (const [i, { rank }] of standings.entries()) if (rank !== first + i) throw new Error(`rank ${rank} at line ${i}`)
  return standings.map(({ member, score }) => `${member} ${score}`).join(', ')
}
