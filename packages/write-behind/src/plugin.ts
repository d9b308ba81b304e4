import { answerState, decorate, resolveClient } from '@larder/core'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { MemoryStore } from './memory-store.js'
import { resolveOptions, type WriteBehindOptions } from './options.js'
import { RedisStore } from './redis-store.js'
import { WriteBehind } from './write-behind.js'

/** Instances registered with a `name`: augment it to type `fastify.writeBehind.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface WriteBehindInstances {}

declare module 'fastify' {
  interface FastifyInstance {
    writeBehind: WriteBehind & WriteBehindInstances
  }
}

const plugin: FastifyPluginAsync<WriteBehindOptions> = async (fastify, raw) => {
  const { redis: option, name, namespace, deadline, closeTimeout, settings } = resolveOptions(raw)
  const client = resolveClient(fastify, option, '@larder/write-behind')
  const redis = client && new RedisStore(client, { namespace, deadline, log: fastify.log })
  const store = redis ?? new MemoryStore(fastify.server, namespace)
  const workshop = { store, app: fastify.server, writeBehind: name ?? namespace, log: fastify.log }
  const instance = new WriteBehind(workshop, settings)
  const endState = answerState(fastify.server, () =>
    instance.states.map((state) => ({ plugin: 'write-behind', name: workshop.writeBehind, ...state })),
  )
  fastify.addHook('onClose', async () => {
    endState()
    await instance.close(closeTimeout)
    store.close()
  })
  decorate(fastify, 'writeBehind', instance, name)
  await redis?.settled()
}

/** The Fastify plugin: decorates the instance with {@link WriteBehind} as `fastify.writeBehind`. */
export const writeBehind: FastifyPluginAsync<WriteBehindOptions> = fp(plugin, {
  name: '@larder/write-behind',
  fastify: '5.x',
})
