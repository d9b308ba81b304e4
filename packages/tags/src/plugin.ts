import { decorate, Namespace, resolveClient } from '@larder/core'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { resolveOptions, type TagsOptions } from './options.js'
import { Tags } from './tags.js'

/** Instances registered with a `name`: augment it to type `fastify.tags.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface TagsInstances {}

declare module 'fastify' {
  interface FastifyInstance {
    tags: Tags & TagsInstances
  }
}

const plugin: FastifyPluginAsync<TagsOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  const fixed = options.namespace !== undefined
  const acquire = (): Namespace =>
    Namespace.acquire(
      resolveClient(fastify, options.redis, '@larder/tags'),
      fastify.server,
      options.namespace ?? 'larder',
      { log: fastify.log, ...options },
    )
  let own: Namespace | undefined
  // Without a namespace of its own it follows the caches, and asks for a connection only where there is none.
  if (fixed || options.redis !== undefined) own = acquire()
  const namespace = (): Namespace => {
    own ??= acquire()
    return own
  }
  decorate(fastify, 'tags', new Tags(namespace, fixed, fastify.server), options.name)
  fastify.addHook('onClose', async () => own?.release())
  await own?.settled(options.deadline)
}

/** The Fastify plugin: decorates the instance with {@link Tags} as `fastify.tags`. */
export const tags: FastifyPluginAsync<TagsOptions> = fp(plugin, { name: '@larder/tags', fastify: '5.x' })
