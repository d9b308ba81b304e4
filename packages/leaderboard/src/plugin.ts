import { answerState, decorate, resolveClient } from '@larder/core'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Leaderboards } from './leaderboards.js'
import { MemoryStore } from './memory-store.js'
import { type LeaderboardOptions, resolveOptions } from './options.js'
import { RedisStore } from './redis-store.js'

/** Instances registered with a `name`: augment it to type `fastify.leaderboards.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface LeaderboardsInstances {}

declare module 'fastify' {
  interface FastifyInstance {
    leaderboards: Leaderboards & LeaderboardsInstances
  }
}

const plugin: FastifyPluginAsync<LeaderboardOptions> = async (fastify, raw) => {
  const { redis: option, name, namespace, deadline, timeZone, clock } = resolveOptions(raw)
  const client = resolveClient(fastify, option, '@larder/leaderboard')
  const redis = client && new RedisStore(client, { namespace, deadline, log: fastify.log, clock })
  const store = redis ?? new MemoryStore(fastify.server, namespace, clock)
  const leaderboards = name ?? namespace
  const endState = answerState(fastify.server, () => ({ plugin: 'leaderboard', name: leaderboards, values: {} }))
  fastify.addHook('onClose', async () => {
    endState()
    store.close()
  })
  const workshop = { store, app: fastify.server, leaderboards, timeZone }
  decorate(fastify, 'leaderboards', new Leaderboards(workshop), name)
  await redis?.settled()
}

/** The Fastify plugin: decorates the instance with {@link Leaderboards} as `fastify.leaderboards`. */
export const leaderboard: FastifyPluginAsync<LeaderboardOptions> = fp(plugin, {
  name: '@larder/leaderboard',
  fastify: '5.x',
})
