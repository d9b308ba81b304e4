import {
  answerState,
  attachTags,
  decorate,
  Namespace,
  type NamespaceListener,
  namespaceTag,
  resolveClient,
  type State,
} from '@larder/core'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { Cache } from './cache.js'
import { publish } from './channel.js'
import { Engine } from './engine.js'
import type { EngineParts } from './engine-parts.js'
import { ClosedError, TagsNotRegisteredError } from './errors.js'
import type { DraftOptions } from './load.js'
import { Loads } from './loads.js'
import { Memory } from './memory.js'
import { MemoryStore } from './memory-store.js'
import { type CacheAsideOptions, type ResolvedOptions, resolveOptions } from './options.js'
import { Reader } from './reader.js'
import { RedisStore } from './redis-store.js'
import { versionPrefix } from './version.js'

/** Instances registered with a `name`: augment it to type `fastify.cache.<name>`. */
// biome-ignore lint/suspicious/noEmptyInterface: users add the names they register
export interface CacheInstances {}

declare module 'fastify' {
  interface FastifyInstance {
    cache: Cache & CacheInstances
  }
}

/** Milliseconds that booting waits for Redis at most, whatever a command may take: Fastify gives a plugin ten seconds. */
const LONGEST_BOOT = 1_000

const plugin: FastifyPluginAsync<CacheAsideOptions> = async (fastify, raw) => {
  const options = resolveOptions(raw)
  const client = resolveClient(fastify, options.redis, '@larder/cache-aside')
  const namespace = Namespace.acquire(client, fastify.server, options.namespace, {
    log: fastify.log,
    deadline: options.deadline,
    heartbeat: options.heartbeat,
    replayFor: options.replayFor,
    outboxLimit: options.outboxLimit,
  })
  const parts = assemble(fastify, options, namespace)
  const end = namespace.listen(listener(parts))
  const endChange = namespace.gate?.breaker.onChange((up) => up || parts.loads.waits.wakeAll())
  const endState = answerState(fastify.server, () => stateOf(options.name ?? options.namespace, parts))
  fastify.addHook('onClose', async () => {
    endState()
    parts.loads.close(new ClosedError())
    endChange?.()
    end()
    namespace.release()
  })
  const call = {
    ...options.call,
    codec: options.codec,
    implicit: [namespaceTag('')],
    cache: options.name ?? options.namespace,
    app: fastify.server,
  }
  decorate(fastify, 'cache', new Cache(new Engine(parts, versionPrefix(options.version)), call), options.name)
  await namespace.settled(Math.min(options.deadline, LONGEST_BOOT))
}

/** The Fastify plugin: decorates the instance with {@link Cache} as `fastify.cache`. */
export const cacheAside: FastifyPluginAsync<CacheAsideOptions> = fp(plugin, {
  name: '@larder/cache-aside',
  fastify: '5.x',
})

function assemble(fastify: FastifyInstance, options: ResolvedOptions, namespace: Namespace): EngineParts {
  const { compressAbove, maxValueBytes, deadline, heartbeat, lease } = options
  const bounds = options.memory ?? { maxEntries: 10_000, maxBytes: 64 * 1024 ** 2 }
  const store = namespace.gate ? new RedisStore(namespace, namespace.gate) : MemoryStore.of(namespace, bounds)
  const onEvict = (): void => publish({ type: 'evict', cache: options.name ?? options.namespace, app: fastify.server })
  const memory = options.memory && new Memory(namespace, options.memory, onEvict)
  let tagged = false
  const attach = (): boolean => {
    tagged ||= fastify.hasDecorator('tags') && attachTags((fastify as { tags?: unknown }).tags, namespace)
    return tagged
  }
  const requireTags = (): void => {
    if (!attach()) throw new TagsNotRegisteredError(namespace.name)
  }
  // Also a process that never stores a tagged entry itself invalidates those of the others.
  fastify.addHook('onReady', async () => void attach())
  const payload = { compressAbove, maxValueBytes }
  const reader = new Reader({ ...payload, namespace, store, memory })
  const draft: DraftOptions = { ...payload, namespace, reader }
  const loads = new Loads({ ...draft, store, lease, deadline, heartbeat, requireTags })
  return { namespace, store, memory, reader, loads, draft, lease, children: new Set(), requireTags }
}

/** Of the cache, and of its child namespaces, which share all there is. */
function stateOf(name: string, { namespace, memory, children }: EngineParts): State[] {
  const { gate, feed, clock, outbox } = namespace
  const values: Record<string, number> = {}
  if (memory) Object.assign(values, { entries: memory.copies.entries, bytes: memory.copies.bytes })
  if (gate) {
    const trust = feed.trustedUntil - clock.now()
    const trusted = trust >= 0
    // Untrusted, nothing is known of how late it is.
    const lag = trusted ? { lagSeconds: Math.max(0, namespace.heartbeat - trust) / 1_000 } : {}
    Object.assign(values, { trusted: Number(trusted), ...lag, outbox: outbox?.pending ?? 0 })
  }
  const parts = [...children].map((part) => ({ plugin: 'cache', name, part, values: {} }))
  return [{ plugin: 'cache', name, values }, ...parts]
}

/** What this cache does when an entry changes, here or elsewhere. */
export function listener({ memory, reader, loads }: EngineParts): NamespaceListener {
  return {
    changed: (key, local) => {
      memory?.copies.delete(key)
      reader.fence.heard(key)
      if (local) loads.detach(key)
      else loads.suspect(key)
    },
    changedWhere: (matches) => {
      reader.fence.heardAll()
      for (const key of memory?.copies.keys() ?? []) if (matches(key)) memory?.copies.delete(key)
      loads.detachWhere(matches)
    },
    distrusted: () => {
      reader.fence.heardAll()
      loads.suspectAll()
    },
    allChanged: () => {
      memory?.copies.clear()
      reader.fence.heardAll()
      loads.suspectAll()
    },
  }
}
