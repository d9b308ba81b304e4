import { randomBytes } from 'node:crypto'
import type { Call } from './call-options.js'
import { publish } from './channel.js'
import { type Engine, isOwn } from './engine.js'
import { type Draft, draft, type LoadContext, LoadResult } from './load.js'

/** Writes to the database and returns the value that the cache is to have. */
export type Write<T> = (context: Omit<LoadContext, 'stale'>) => T | Promise<T>

/** Writes an entry, whatever there was. With Redis away the key is emptied instead, as soon as that can be done. */
export async function put(engine: Engine, key: string, value: unknown, call: Call): Promise<void> {
  const { store, draft: options, requireTags } = engine.parts
  if (call.tags) requireTags()
  call.signal?.throwIfAborted()
  engine.touch(key)
  // Without a lease the load had no epoch, and nothing may be stored of it.
  const epoch = call.epoch === undefined ? await readEpoch(engine, call) : call.epoch || undefined
  const result = new LoadResult(new AbortController().signal, {}, requireTags)
  const made = await draft(key, { value, result, epoch: epoch ?? 0, loadMs: 0 }, call, options, true)
  publish({ type: 'invalidate', cache: call.cache, app: call.app, what: 'set' })
  await finish(engine, key, call, made, async (bytes) => {
    if (epoch === undefined) return false
    await store.put(key, bytes, made.life)
    return true
  })
}

/**
 * Writes to the database, then into the cache. Of two writes of one key that overlap, neither leaves its value: nobody knows which
 * the database did last, so the key is left empty (G4). Readers meanwhile wait as for a load.
 */
export async function writeThrough(engine: Engine, key: string, write: Write<unknown>, call: Call): Promise<unknown> {
  const { store, draft: options, requireTags, namespace, lease } = engine.parts
  if (call.tags) requireTags()
  call.signal?.throwIfAborted()
  engine.touch(key)
  const ticket = Buffer.concat([Buffer.from('W1'), randomBytes(16)])
  const [begun, epoch] = await Promise.all([
    store.put(key, ticket, lease).then(
      () => true,
      () => false,
    ),
    readEpoch(engine, call),
  ])
  const stop = keep(() => store.renew(key, ticket, lease, false), lease)
  const result = new LoadResult(call.signal ?? new AbortController().signal, {}, requireTags)
  const began = namespace.clock.now()
  let made: Draft
  try {
    const value = await write(result.context)
    const loadMs = namespace.clock.now() - began
    made = await draft(key, { value, result, epoch: epoch ?? 0, loadMs }, call, options, true)
  } catch (error) {
    // Whether the database did it is not known: the next reader asks it.
    stop()
    await store.remove(key)
    engine.touch(key)
    throw error
  }
  stop()
  publish({ type: 'invalidate', cache: call.cache, app: call.app, what: 'write-through' })
  await finish(engine, key, call, made, async (bytes) => {
    if (!begun || epoch === undefined) return false
    return (await store.commit(key, ticket, bytes, made.life)) || undefined
  })
  return made.copy.give(isOwn(call))
}

/** Empties entries; no load under way is stored, none is joined by a later caller (G1). */
export async function remove(engine: Engine, keys: readonly string[]): Promise<void> {
  for (const key of keys) engine.touch(key)
  await Promise.all(keys.map((key) => engine.parts.store.remove(key)))
  // Between the two a load that had begun may have been read.
  for (const key of keys) engine.touch(key)
}

/** Makes entries stale; no load under way is stored, none is joined by a later caller. */
export async function expire(engine: Engine, keys: readonly string[]): Promise<void> {
  for (const key of keys) engine.touch(key)
  await Promise.all(keys.map((key) => engine.parts.store.expire(key)))
  for (const key of keys) engine.touch(key)
}

/** Stores by `commit`, which answers `false` when the key must be emptied, `undefined` when it has been. */
async function finish(
  engine: Engine,
  key: string,
  call: Call,
  made: Draft,
  commit: (bytes: Buffer) => Promise<boolean | undefined>,
): Promise<void> {
  const { store, reader, namespace } = engine.parts
  const { connection } = namespace.feed
  let stored: boolean | undefined = false
  let unchanged = false
  try {
    const { copy, bytes, life } = made
    const admitted = (await namespace.epochs.admit(copy.tags, copy.epoch, life)) !== 'invalid'
    if (admitted && bytes) {
      const committing = commit(bytes)
      // Begun when it is out: the memory of this process has told of it by now, and that is no change.
      const mark = reader.fence.begin()
      stored = await committing.finally(() => {
        unchanged = reader.fence.clear(key, mark)
        reader.fence.end()
      })
    }
  } catch {
    // It may have been written all the same; empty is right in any case.
    stored = false
  }
  if (stored && made.bytes) publish({ type: 'store', cache: call.cache, app: call.app, bytes: made.bytes.length })
  if (stored === false) await store.remove(key)
  engine.touch(key)
  if (stored && unchanged) reader.keep(key, made.copy, call, Number.POSITIVE_INFINITY, connection)
}

/** The epoch that an entry gets; `undefined` with Redis away. */
async function readEpoch({ parts: { namespace } }: Engine, call: Call): Promise<number | undefined> {
  const need = call.ttl + Math.max(call.staleWhileRevalidate, call.staleIfError)
  return namespace.epochs.ensure(call.implicit, need).catch(() => undefined)
}

/** Renews a ticket while the database writes, ten times its limit at most. */
function keep(renew: () => Promise<boolean>, limit: number): () => void {
  let left = 30
  const timer = setInterval(() => {
    if (--left <= 0) return clearInterval(timer)
    renew().catch(() => {})
  }, limit / 3).unref()
  return () => clearInterval(timer)
}
