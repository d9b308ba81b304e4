import type { Namespace } from './namespace.js'

/** What `fastify.tags` is to the plugins whose entries bear tags. */
export interface TagRegistry {
  /** Whether it invalidates the tags of this namespace, from now on. */
  attach(namespace: Namespace): boolean
}

/** Finds, among the registrations behind `fastify.tags`, one that invalidates the tags of this namespace. */
export function attachTags(tags: unknown, namespace: Namespace): boolean {
  const registrations = [tags, ...Object.values(tags ?? {})] as Partial<TagRegistry>[]
  return registrations.some((one) => typeof one?.attach === 'function' && one.attach(namespace))
}
