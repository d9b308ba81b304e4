import { answerState, decorate, resolveClient } from '@larder/core'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Events } from './events.js'
import { MemoryStore } from './memory-store.js'
import { type EventsOptions, resolveOptions } from './options.js'
import { RedisStore } from './redis-store.js'
import { Tails } from './tail.js'
import { Workshop } from './workshop.js'

/** Instances registered with a `name`: augment it to type `fastify.events.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface EventsInstances {}

declare module 'fastify' {
  interface FastifyInstance {
    events: Events & EventsInstances
  }
}

const plugin: FastifyPluginAsync<EventsOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  const { namespace, deadline, heartbeat } = options
  const client = resolveClient(fastify, options.redis, '@larder/events')
  const store = client
    ? new RedisStore(client, { namespace, deadline, heartbeat, log: fastify.log })
    : new MemoryStore(fastify.server, namespace)
  const workshop = new Workshop({ app: fastify.server, store, tails: new Tails(store), options, log: fastify.log })
  // Browsers that listen would hold the server up: it waits for their requests to end before it calls onClose.
  fastify.addHook('preClose', async () => workshop.close())
  const name = options.name ?? namespace
  const endState = answerState(fastify.server, () => ({ plugin: 'events', name, values: workshop.counts }))
  fastify.addHook('onClose', async () => {
    endState()
    await workshop.stop()
    store.close()
  })
  decorate(fastify, 'events', new Events(workshop), options.name)
  await store.settled()
}

/** The Fastify plugin: decorates the instance with {@link Events} as `fastify.events`. */
export const events: FastifyPluginAsync<EventsOptions> = fp(plugin, { name: '@larder/events', fastify: '5.x' })
