import type { Gate, Namespace } from '@larder/core'
import type { Redis } from 'ioredis'
import { MemoryStore } from '../../../cache-aside/dist/memory-store.js'
import { RedisStore } from '../../../cache-aside/dist/redis-store.js'
import type { Site } from './explore.js'
import type { LeaseSlot, LeaseState } from './lease-model.js'
import { fromBytes, LONG, toBytes, tokenOf } from './slot.js'

/** Slots on Redis. */
export function redisSlots(redis: Redis, namespace: Namespace, gate: Gate): Site<LeaseState, LeaseSlot> {
  const store = new RedisStore(namespace, gate)
  const names = (i: number) => [namespace.entryKey(`slot ${i}`), namespace.leaseKey(`slot ${i}`)] as const
  return {
    run: async (jobs) => {
      const fill = redis.pipeline()
      jobs.forEach(({ state }, i) => {
        const [v, l] = names(i)
        fill.del(v, l)
        const bytes = toBytes(state.v)
        if (bytes) fill.set(v, bytes, 'PX', LONG)
        if (state.l !== null) fill.set(l, tokenOf(state.l), 'PX', LONG)
      })
      await fill.exec()
      const results = await Promise.all(
        jobs.map(({ move }, i) => {
          const [v, l] = names(i)
          const raw: LeaseSlot['raw'] = {
            set: (value) => redis.set(v, value),
            del: (what) => redis.del(what === 'v' ? v : l),
          }
          return move.run({ store, key: `slot ${i}`, raw })
        }),
      )
      const look = redis.pipeline()
      jobs.forEach((_, i) => {
        const [v, l] = names(i)
        look.getBuffer(v).get(l)
      })
      const held = (await look.exec()) as [Error | null, unknown][]
      return jobs.map(({ move }, i) => {
        const next = move.after(results[i])
        if (next === undefined) return undefined
        const v = fromBytes((held[2 * i]?.[1] ?? null) as Buffer | null)
        const lease = held[2 * i + 1]?.[1] as string | null
        return { ...next, v, l: lease === null ? null : Number(/\d/.exec(lease)?.[0]) }
      })
    },
  }
}

/** Slots in memory, reached by the calls of the store alone. */
export function memorySlots(): Site<LeaseState, LeaseSlot> {
  const clock = { now: () => 0 }
  const store = MemoryStore.of({ clock, changed: () => {} } as unknown as Namespace, {
    maxEntries: 1e6,
    maxBytes: 1e12,
  })
  const raw: LeaseSlot['raw'] = {
    set: () => Promise.reject(new Error('nobody else reaches this memory')),
    del: () => Promise.reject(new Error('nobody else reaches this memory')),
  }
  return {
    run: (jobs) =>
      Promise.all(
        jobs.map(async ({ state, move }, i) => {
          const key = `slot ${i}`
          await store.remove(key)
          const bytes = toBytes(state.v)
          if (bytes) await store.put(key, bytes, LONG)
          if (state.l !== null) await store.leaseRefresh(key, tokenOf(state.l), LONG, true)
          const next = move.after(await move.run({ store, key, raw }))
          if (next === undefined) return undefined
          const v = fromBytes(await store.read(key))
          for (const [by] of state.loaders.entries()) {
            if (await store.renew(key, tokenOf(by), LONG, true)) return { ...next, v, l: by }
          }
          return { ...next, v, l: null }
        }),
      ),
  }
}
