import { answerState, decorate, resolveClient } from '@larder/core'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Locks } from './locks.js'
import { MemoryStore } from './memory-store.js'
import { type LocksOptions, resolveOptions } from './options.js'
import { Queue } from './queue.js'
import { RedisStore } from './redis-store.js'
import { Renewal } from './renewal.js'

/** Instances registered with a `name`: augment it to type `fastify.locks.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface LocksInstances {}

declare module 'fastify' {
  interface FastifyInstance {
    locks: Locks & LocksInstances
  }
}

const plugin: FastifyPluginAsync<LocksOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  const { namespace, deadline } = options
  const client = resolveClient(fastify, options.redis, '@larder/locks')
  const redis = client && new RedisStore(client, { namespace, deadline, log: fastify.log })
  const store = redis ?? new MemoryStore(fastify.server, namespace, deadline)
  const queue = new Queue(store)
  const forget = queue.forget.bind(queue)
  const renewal = new Renewal(store, forget)
  const name = options.name ?? namespace
  const workshop = { store, queue, renewal, forget, app: fastify.server, locks: name, log: fastify.log }
  const endState = answerState(fastify.server, () => ({
    plugin: 'locks',
    name,
    values: { held: renewal.size, waiting: queue.size },
  }))
  fastify.addHook('onClose', async () => {
    endState()
    await queue.close(new Error('the application is closed'), deadline)
    await renewal.drain(deadline)
    store.close()
  })
  decorate(fastify, 'locks', new Locks(workshop, options.terms), options.name)
  await redis?.settled()
}

/** The Fastify plugin: decorates the instance with {@link Locks} as `fastify.locks`. */
export const locks: FastifyPluginAsync<LocksOptions> = fp(plugin, { name: '@larder/locks', fastify: '5.x' })
