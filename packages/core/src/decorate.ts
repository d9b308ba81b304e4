import type { FastifyInstance } from 'fastify'
import { DuplicateNameError } from './errors.js'
import { invalidOption } from './options.js'

/** Behind `fastify.<noun>`: the default registration, with the named ones as its properties. */
interface Holder {
  current: object
  hasDefault: boolean
}

const holders = new WeakMap<object, Map<string, Holder>>()

/**
 * Decorates `fastify.<noun>` with `instance`; with a `name`, `fastify.<noun>.<name>`. The order of registration does not matter.
 *
 * @throws `LARDER_DUPLICATE_NAME` when that name is taken
 */
export function decorate(fastify: FastifyInstance, noun: string, instance: object, name?: string): void {
  const holder = holderOf(fastify, noun)
  if (name === undefined) {
    if (holder.hasDefault) throw new DuplicateNameError(noun, '')
    for (const [taken, named] of Object.entries(holder.current)) define(instance, taken, named)
    holder.current = instance
    holder.hasDefault = true
    return
  }
  if (Object.hasOwn(holder.current, name)) throw new DuplicateNameError(noun, ` under the name \`${name}\``)
  define(holder.current, name, instance)
}

function define(target: object, name: string, value: unknown): void {
  if (name in target) throw invalidOption('name', 'free: it is a member of the default registration', name)
  Object.defineProperty(target, name, { value, enumerable: true })
}

function holderOf(fastify: FastifyInstance, noun: string): Holder {
  let scope: object | null = fastify
  while (scope !== null) {
    const found = holders.get(scope)?.get(noun)
    if (found) return found
    scope = Object.getPrototypeOf(scope)
  }
  const holder: Holder = { current: Object.create(null), hasDefault: false }
  fastify.decorate(noun, { getter: () => holder.current } as never)
  const own = holders.get(fastify) ?? new Map<string, Holder>()
  holders.set(fastify, own.set(noun, holder))
  return holder
}
