import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  type Argument,
  type Caller,
  type Epoch,
  type EpochStore,
  Epochs,
  encodeTag,
  type Gate,
  Namespace,
  RedisEpochStore,
  type Reply,
  type Script,
  type Tag,
} from '@larder/core'
import { serveWorker } from '@larder/test-redis'
import { Redis } from 'ioredis'
import { asEntry, Envelope } from '../../../cache-aside/dist/envelope.js'
import { MemoryStore } from '../../../cache-aside/dist/memory-store.js'
import { RedisStore } from '../../../cache-aside/dist/redis-store.js'
import type { Store } from '../../../cache-aside/dist/store.js'

/*
 * Explicit-state checks of the protocol: a few loaders, writers, foreign clients and evictions, in every order of their steps. Each
 * step that touches the server is one call of the real store, with the real Lua scripts, on a slot that holds what the state says;
 * the next state is what the slot holds then. Many steps are tried at once, each on a key of its own.
 */

const LONG = 3_600_000
const LIMIT = 60_000
const BATCH = 400

/** How a check went. */
export interface Checked {
  readonly states: number
  /** Whether every state was visited. */
  readonly whole: boolean
  readonly violation?: string
  /** The steps that lead to it, the fewest. */
  readonly trace?: readonly string[]
}

/** What may happen in a state: `next` at once, or what a call makes of the slot. */
type Move<S, Slot> = { readonly label: string } & (
  | { readonly next: S }
  | { readonly run: (slot: Slot) => Promise<unknown>; readonly after: (result: unknown) => S | undefined }
)

interface Model<S, Slot> {
  readonly initial: S
  /** The same for states that differ in nothing that matters. */
  key(state: S): string
  violation(state: S): string | undefined
  moves(state: S): Move<S, Slot>[]
}

/** Where slots are filled, and looked at. */
interface Site<S, Slot> {
  /** Runs each of these on a slot that holds what its state says, and puts what the slot holds then into the new state. */
  run(jobs: readonly Job<S, Slot>[]): Promise<(S | undefined)[]>
}

interface Job<S, Slot> {
  readonly state: S
  readonly move: Extract<Move<S, Slot>, { run: unknown }>
}

async function explore<S, Slot>(model: Model<S, Slot>, site: Site<S, Slot>, limit: number): Promise<Checked> {
  const seen = new Map<string, { parent: string | undefined; label: string }>()
  const first = model.key(model.initial)
  seen.set(first, { parent: undefined, label: 'start' })
  let level: S[] = [model.initial]
  const trace = (key: string): string[] => {
    const steps: string[] = []
    for (let at: string | undefined = key; at !== undefined; at = seen.get(at)?.parent) {
      steps.unshift(seen.get(at)?.label ?? '')
    }
    return steps
  }
  while (level.length > 0) {
    const next: S[] = []
    const visit = (parent: S, label: string, state: S): string | undefined => {
      const key = model.key(state)
      if (seen.has(key)) return undefined
      seen.set(key, { parent: model.key(parent), label })
      next.push(state)
      return model.violation(state) && key
    }
    const jobs: Job<S, Slot>[] = []
    for (const state of level) {
      for (const move of model.moves(state)) {
        if ('next' in move) {
          const wrong = visit(state, move.label, move.next)
          if (wrong) return found(move.next, wrong)
        } else jobs.push({ state, move })
      }
    }
    for (let i = 0; i < jobs.length; i += BATCH) {
      const batch = jobs.slice(i, i + BATCH)
      const states = await site.run(batch)
      for (const [j, state] of states.entries()) {
        if (state === undefined) continue
        const { state: parent, move } = batch[j] as Job<S, Slot>
        const wrong = visit(parent, move.label, state)
        if (wrong) return found(state, wrong)
      }
      if (seen.size >= limit) return { states: seen.size, whole: false }
    }
    level = next
  }
  return { states: seen.size, whole: true }

  function found(state: S, key: string): Checked {
    const violation = model.violation(state) as string
    return { states: seen.size, whole: false, violation, trace: trace(key) }
  }
}

/** A change of a Lua source, which must be there to be changed. */
type Edit = readonly [script: string, from: string, to: string]

/** Runs scripts with changed sources. */
function edited(gate: Gate, edits: readonly Edit[], extra: () => Argument[] = () => []): Caller {
  const scripts = new Map<string, Script>()
  return {
    call: (name, args, late) => gate.call(name, args, late),
    run: (script, keys, args, late) => {
      const mine = edits.filter(([name]) => name === script.name)
      if (mine.length === 0) return gate.run(script, keys, [...args, ...extra()], late)
      let other = scripts.get(script.sha)
      if (!other) {
        let { source } = script
        for (const [, from, to] of mine) {
          if (!source.includes(from)) throw new Error(`${script.name}.lua does not contain ${from}`)
          source = source.replace(from, to)
        }
        other = { name: script.name, source, sha: createHash('sha1').update(source).digest('hex') }
        scripts.set(script.sha, other)
      }
      return gate.run(other, keys, [...args, ...extra()], late)
    },
  }
}

function entry(value: number, id: number, epoch: Epoch): Buffer {
  const { bytes } = Envelope.of({
    freshUntil: 4e12,
    staleUntil: 4e12,
    errorUntil: 4e12,
    created: 1,
    epoch,
    loadMs: 0,
    tags: [],
    codec: 'json',
    kind: 'codec',
    compressed: false,
    payload: Buffer.from(String(value)),
  })
  // The real id is by chance, which would make all states different.
  bytes.writeUInt32BE(0, 4)
  bytes.writeUInt32BE(id, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}

function idOf(id: number): Buffer {
  return entry(0, id, 1).subarray(4, 12)
}

const FOREIGN = 'foreign bytes'
const tokenOf = (loader: number): Buffer => Buffer.from(`L1loader ${loader}        `)
const ticketOf = (writer: number): Buffer => Buffer.from(`W1writer ${writer}        `)

/** What is under an entry's key. */
type Held =
  | {
      readonly is: 'entry'
      readonly value: number
      readonly id: number
      readonly epoch: Epoch
      readonly expired: boolean
    }
  | { readonly is: 'loading' | 'writing'; readonly by: number }
  | { readonly is: 'foreign' }
  | null

function toBytes(held: Held): Buffer | null {
  if (held === null) return null
  if (held.is === 'entry') {
    const bytes = entry(held.value, held.id, held.epoch)
    return held.expired ? Buffer.concat([Buffer.from('X'), bytes.subarray(1)]) : bytes
  }
  if (held.is === 'foreign') return Buffer.from(FOREIGN)
  return held.is === 'loading' ? tokenOf(held.by) : ticketOf(held.by)
}

function fromBytes(bytes: Buffer | null): Held {
  if (bytes === null) return null
  const text = bytes.toString('latin1')
  const placeholder = /^(L1loader|W1writer) (\d)/.exec(text)
  if (placeholder) return { is: placeholder[1] === 'L1loader' ? 'loading' : 'writing', by: Number(placeholder[2]) }
  const envelope = asEntry(bytes)
  if (text === FOREIGN) return { is: 'foreign' }
  if (envelope === undefined) throw new Error(`The model does not know what ${bytes.toString('hex')} is`)
  return {
    is: 'entry',
    value: Number(envelope.payload),
    id: bytes.readUInt32BE(8),
    epoch: envelope.epoch,
    expired: bytes[0] === 0x58,
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------
// One key: loads, refreshes, deletions ours and foreign, write-throughs, evictions.

interface Loader {
  readonly at: 'start' | 'reading' | 'storing' | 'failing' | 'end'
  readonly value: number
  /** Id of the entry that is refreshed. */
  readonly refreshes: number | undefined
}
interface Writer {
  readonly at: 'start' | 'writing' | 'committing' | 'end'
  readonly value: number
}
interface Remover {
  readonly at: 'start' | 'removing' | 'end'
  readonly value: number
}
interface LeaseState {
  readonly v: Held
  /** Who refreshes. */
  readonly l: number | null
  readonly row: number
  /** What counts: of what was done, the newest. */
  readonly done: number
  /** What counts of entries that were not expired since. */
  readonly fresh: number
  readonly ids: number
  readonly loaders: readonly Loader[]
  readonly removers: readonly Remover[]
  readonly foreign: readonly Remover[]
  readonly writers: readonly Writer[]
  readonly expirers: readonly Remover[]
  readonly evictions: number
}

/** How many of each there are. */
export interface LeaseSize {
  readonly loaders?: number
  readonly removers?: number
  readonly foreign?: number
  readonly writers?: number
  readonly expirers?: number
  readonly evictions?: number
}

interface LeaseSlot {
  readonly store: Store
  readonly key: string
  /** Foreign clients and evictions: straight at the two keys. */
  readonly raw: { set(value: string): Promise<unknown>; del(what: 'v' | 'l'): Promise<unknown> }
}

const put = <T>(list: readonly T[], index: number, one: T): readonly T[] => list.with(index, one)

function leaseModel(size: LeaseSize): Model<LeaseState, LeaseSlot> {
  const { loaders = 2, removers = 1, foreign = 1, writers = 1, expirers = 0, evictions = 1 } = size
  const many = <T>(count: number, one: T): T[] => new Array(count).fill(one)
  return {
    initial: {
      v: null,
      l: null,
      row: 0,
      done: 0,
      fresh: 0,
      ids: 0,
      loaders: many(loaders, { at: 'start', value: 0, refreshes: undefined }),
      removers: many(removers, { at: 'start', value: 0 }),
      foreign: many(foreign, { at: 'start', value: 0 }),
      writers: many(writers, { at: 'start', value: 0 }),
      expirers: many(expirers, { at: 'start', value: 0 }),
      evictions,
    },
    key: (state) => JSON.stringify(state),
    violation: ({ v, done, fresh }) => {
      if (v?.is !== 'entry') return undefined
      if (v.value < done) return `the slot holds ${v.value}, but ${done} counts`
      return v.value < fresh && !v.expired ? `${v.value} is fresh, but ${fresh} counts` : undefined
    },
    moves: leaseMoves,
  }
}

function leaseMoves(state: LeaseState): Move<LeaseState, LeaseSlot>[] {
  const { v, l, row, done, ids } = state
  const moves: Move<LeaseState, LeaseSlot>[] = []
  state.loaders.forEach((loader, i) => {
    const to = (one: Loader, rest: Partial<LeaseState> = {}) => ({
      ...state,
      ...rest,
      loaders: put(state.loaders, i, one),
    })
    const over: Loader = { at: 'end', value: 0, refreshes: undefined }
    if (loader.at === 'start' && v?.is === 'entry') {
      if (l !== null) return
      moves.push({
        label: `L${i} leases the refresh of ${v.value}`,
        run: ({ store, key }) => store.leaseRefresh(key, tokenOf(i), LIMIT, false),
        after: (granted) => (granted ? to({ at: 'reading', value: 0, refreshes: v.id }) : undefined),
      })
    } else if (loader.at === 'start') {
      moves.push({
        label: `L${i} leases`,
        run: ({ store, key }) => store.lease(key, tokenOf(i), LIMIT, undefined),
        after: (grant) =>
          (grant as { state: string }).state === 'granted'
            ? to({ at: 'reading', value: 0, refreshes: undefined })
            : undefined,
      })
    } else if (loader.at === 'reading') {
      moves.push({ label: `L${i} reads ${row}`, next: to({ ...loader, at: 'storing', value: row }) })
      moves.push({ label: `L${i} fails`, next: to({ ...loader, at: 'failing' }) })
    } else if (loader.at === 'failing') {
      moves.push({
        label: `L${i} releases`,
        run: ({ store, key }) => store.release(key, tokenOf(i)),
        after: () => to(over),
      })
    } else if (loader.at === 'storing') {
      const { refreshes, value } = loader
      moves.push({
        label: `L${i} stores ${value}`,
        run: ({ store, key }) =>
          store.fill(
            key,
            tokenOf(i),
            refreshes === undefined ? undefined : idOf(refreshes),
            entry(value, ids + 1, 1),
            LONG,
          ),
        after: (stored) => to(over, stored ? { ids: ids + 1 } : {}),
      })
    }
  })
  state.removers.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<LeaseState>) => ({
      ...state,
      ...rest,
      removers: put(state.removers, i, one),
    })
    if (at === 'start')
      moves.push({ label: `D${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      moves.push({
        label: `D${i} deletes`,
        run: ({ store, key }) => store.remove(key),
        after: () => to({ at: 'end', value: 0 }, { done: Math.max(done, value) }),
      })
    }
  })
  state.foreign.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<LeaseState>) => ({ ...state, ...rest, foreign: put(state.foreign, i, one) })
    if (at === 'start')
      moves.push({ label: `F${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      const over = to({ at: 'end', value: 0 }, { done: Math.max(done, value) })
      moves.push({ label: `F${i} DEL`, run: ({ raw }) => raw.del('v'), after: () => over })
      moves.push({ label: `F${i} SET`, run: ({ raw }) => raw.set(FOREIGN), after: () => over })
    }
  })
  state.writers.forEach(({ at, value }, i) => {
    const to = (one: Writer, rest: Partial<LeaseState> = {}) => ({
      ...state,
      ...rest,
      writers: put(state.writers, i, one),
    })
    if (at === 'start') {
      moves.push({
        label: `W${i} begins`,
        run: ({ store, key }) => store.put(key, ticketOf(i), LIMIT),
        after: () => to({ at: 'writing', value: 0 }),
      })
    }
    if (at === 'writing')
      moves.push({ label: `W${i} row ${row + 1}`, next: to({ at: 'committing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'committing') {
      moves.push({
        label: `W${i} commits ${value}`,
        run: ({ store, key }) => store.commit(key, ticketOf(i), entry(value, ids + 1, 1), LONG),
        after: () => to({ at: 'end', value: 0 }, { done: Math.max(done, value), ids: ids + 1 }),
      })
    }
  })
  state.expirers.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<LeaseState>) => ({
      ...state,
      ...rest,
      expirers: put(state.expirers, i, one),
    })
    if (at === 'start')
      moves.push({ label: `X${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      moves.push({
        label: `X${i} expires`,
        run: ({ store, key }) => store.expire(key),
        after: () => to({ at: 'end', value: 0 }, { fresh: Math.max(state.fresh, value) }),
      })
    }
  })
  if (state.evictions > 0) {
    const evicted = { ...state, evictions: state.evictions - 1 }
    if (v !== null) moves.push({ label: 'evicts the entry', run: ({ raw }) => raw.del('v'), after: () => evicted })
    if (l !== null) moves.push({ label: 'evicts the lease', run: ({ raw }) => raw.del('l'), after: () => evicted })
  }
  return moves
}

/** Slots on Redis. */
function redisSlots(redis: Redis, namespace: Namespace, gate: Gate): Site<LeaseState, LeaseSlot> {
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
function memorySlots(): Site<LeaseState, LeaseSlot> {
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

// ---------------------------------------------------------------------------------------------------------------------------------
// One key with one tag: epochs, invalidations, evictions of entry, tag and clock.

interface TagLoader {
  readonly at: 'start' | 'judging' | 'leasing' | 'dating' | 'loading' | 'admitting' | 'storing' | 'releasing' | 'end'
  /** What counted when the call began. */
  readonly due: number
  readonly value: number
  readonly epoch: Epoch
  /** The entry that was read. */
  readonly read: { value: number; epoch: Epoch; id: number } | undefined
}
interface TagState {
  readonly v: Held
  /** Hard epoch of the tag. */
  readonly t: Epoch | null
  readonly c: Epoch | null
  readonly row: number
  readonly done: number
  readonly ids: number
  readonly loaders: readonly TagLoader[]
  readonly writers: readonly Remover[]
  readonly evictions: number
  readonly served: string | undefined
}

/** How many of each there are, and what is broken. */
export interface TagSize {
  readonly loaders?: number
  readonly writers?: number
  readonly evictions?: number
  /** Whether the tag is known before the load, or computed from the value. */
  readonly known?: boolean
  readonly mutant?:
    | 'clock after load'
    | 'missing is valid'
    | 'made at the entry’s epoch'
    | 'clock without time'
    | 'not admitted'
}

interface TagSlot {
  readonly store: Store
  readonly key: string
  /** The epochs of a process that knows nothing yet. */
  epochs(entryEpoch?: Epoch): Epochs
  del(what: 'v' | 't' | 'c'): Promise<unknown>
}

const TAG = encodeTag('tag')

function tagModel(size: TagSize): Model<TagState, TagSlot> {
  const { loaders = 2, writers = 2, evictions = 1 } = size
  const start: TagLoader = { at: 'start', due: 0, value: 0, epoch: 0, read: undefined }
  return {
    initial: {
      v: null,
      t: null,
      c: null,
      row: 0,
      done: 0,
      ids: 0,
      loaders: new Array(loaders).fill(start),
      writers: new Array(writers).fill({ at: 'start', value: 0 }),
      evictions,
      served: undefined,
    },
    key: tagKey,
    violation: ({ served }) => served,
    moves: (state) => tagMoves(state, size),
  }
}

/** Epochs matter by their order only, ids by whether they are the entry's. */
function tagKey(state: TagState): string {
  const epochs = [state.c, state.t, state.v?.is === 'entry' ? state.v.epoch : null]
  for (const { epoch, read } of state.loaders) epochs.push(epoch, read?.epoch ?? null)
  const ranks = [...new Set(epochs)].filter((one) => one !== null).sort((a, b) => a - b)
  const rank = (epoch: Epoch | null | undefined) =>
    epoch === null || epoch === undefined ? null : ranks.indexOf(epoch)
  const { v } = state
  const same = (id: number | undefined) => (id === undefined ? null : v?.is === 'entry' && v.id === id)
  return JSON.stringify([
    v?.is === 'entry' ? [v.value, rank(v.epoch), v.expired] : v,
    rank(state.t),
    rank(state.c),
    state.row,
    state.done,
    state.loaders.map(({ at, due, value, epoch, read }) => [
      at,
      due,
      value,
      rank(epoch),
      read && [read.value, rank(read.epoch), same(read.id)],
    ]),
    state.writers,
    state.evictions,
    state.served,
  ])
}

function tagMoves(state: TagState, { known = false, mutant }: TagSize): Move<TagState, TagSlot>[] {
  const { v, t, c, row, done, ids } = state
  const moves: Move<TagState, TagSlot>[] = []
  const late = mutant === 'clock after load'
  state.loaders.forEach((loader, i) => {
    const to = (one: Partial<TagLoader>, rest: Partial<TagState> = {}): TagState => ({
      ...state,
      ...rest,
      loaders: put(state.loaders, i, { ...loader, ...one }),
    })
    const over: TagLoader = { at: 'end', due: 0, value: 0, epoch: 0, read: undefined }
    if (loader.at === 'start') {
      const read = v?.is === 'entry' ? { value: v.value, epoch: v.epoch, id: v.id } : undefined
      moves.push({ label: `L${i} reads the slot`, next: to({ at: read ? 'judging' : 'leasing', due: done, read }) })
    } else if (loader.at === 'judging') {
      const { value, epoch } = loader.read as { value: number; epoch: Epoch }
      moves.push({
        label: `L${i} judges ${value}`,
        run: (slot) => slot.epochs().check([TAG], epoch),
        after: (verdict) => {
          if (verdict !== 'fresh') return to({ at: 'leasing' })
          const served = value < loader.due ? `L${i} was served ${value}, but ${loader.due} counted` : undefined
          return to(over, { served })
        },
      })
    } else if (loader.at === 'leasing') {
      moves.push({
        label: `L${i} leases`,
        run: ({ store, key }) => store.lease(key, tokenOf(i), LIMIT, loader.read && idOf(loader.read.id)),
        after: (grant) => {
          const { state: answer } = grant as { state: string }
          if (answer === 'granted') return to({ at: late ? 'loading' : 'dating', read: undefined })
          if (answer !== 'stored' || v?.is !== 'entry') return undefined
          return to({ at: 'judging', read: { value: v.value, epoch: v.epoch, id: v.id } })
        },
      })
    } else if (loader.at === 'dating') {
      moves.push({
        label: `L${i} reads the clock`,
        run: (slot) => slot.epochs().ensure(known ? [TAG] : [], LONG),
        after: (epoch) => to({ at: late ? 'admitting' : 'loading', epoch: epoch as Epoch }),
      })
    } else if (loader.at === 'loading') {
      moves.push({ label: `L${i} loads ${row}`, next: to({ at: late ? 'dating' : 'admitting', value: row }) })
    } else if (loader.at === 'admitting') {
      if (mutant === 'not admitted') moves.push({ label: `L${i} asks nobody`, next: to({ at: 'storing' }) })
      else {
        moves.push({
          label: `L${i} is admitted`,
          run: (slot) => slot.epochs(loader.epoch).admit([TAG], loader.epoch, LONG),
          after: (verdict) => to({ at: verdict === 'invalid' ? 'releasing' : 'storing' }),
        })
      }
    } else if (loader.at === 'storing') {
      moves.push({
        label: `L${i} stores ${loader.value}`,
        run: ({ store, key }) =>
          store.fill(key, tokenOf(i), undefined, entry(loader.value, ids + 1, loader.epoch), LONG),
        after: () => to(over, { ids: ids + 1 }),
      })
    } else if (loader.at === 'releasing') {
      moves.push({
        label: `L${i} releases`,
        run: ({ store, key }) => store.release(key, tokenOf(i)),
        after: () => to(over),
      })
    }
  })
  state.writers.forEach(({ at, value }, i) => {
    const to = (one: Remover, rest: Partial<TagState>) => ({ ...state, ...rest, writers: put(state.writers, i, one) })
    if (at === 'start')
      moves.push({ label: `W${i} row ${row + 1}`, next: to({ at: 'removing', value: row + 1 }, { row: row + 1 }) })
    if (at === 'removing') {
      moves.push({
        label: `W${i} invalidates`,
        run: (slot) => slot.epochs().raise([TAG], 'hard'),
        after: () => to({ at: 'end', value: 0 }, { done: Math.max(done, value) }),
      })
    }
  })
  if (state.evictions > 0) {
    const evicted = { ...state, evictions: state.evictions - 1 }
    const held = { v, t, c }
    for (const what of ['v', 't', 'c'] as const) {
      if (held[what] !== null)
        moves.push({ label: `evicts ${what}`, run: (slot) => slot.del(what), after: () => evicted })
    }
  }
  return moves
}

const CLOCK_WITHOUT_TIME: readonly Edit[] = [
  ['ensure', 'time[1] * 1000000 + time[2]', '0'],
  ['raise', 'time[1] * 1000000 + time[2]', '0'],
]
const AT_THE_ENTRYS_EPOCH: readonly Edit[] = [
  ['ensure', "hard = string.format('%.0f', clock)", "hard = ARGV[4] ~= '' and ARGV[4] or string.format('%.0f', clock)"],
]

/** Slots with their tag and their clock on Redis. */
function taggedSlots(redis: Redis, namespace: Namespace, gate: Gate, { mutant }: TagSize): Site<TagState, TagSlot> {
  const store = new RedisStore(namespace, gate)
  const names = (i: number) => ({
    v: namespace.entryKey(`slot ${i}`),
    t: `{${namespace.name} ${i}}:t:tag`,
    c: `{${namespace.name} ${i}}:clock`,
  })
  let entryEpoch = ''
  const edits =
    mutant === 'clock without time'
      ? CLOCK_WITHOUT_TIME
      : mutant === 'made at the entry’s epoch'
        ? AT_THE_ENTRYS_EPOCH
        : []
  const caller = edits.length > 0 ? edited(gate, edits, () => [entryEpoch]) : gate
  const open = (i: number): EpochStore => {
    const { t, c } = names(i)
    const real = new RedisEpochStore(caller, { clock: c, tag: () => t, channel: () => '', time: () => {} })
    if (mutant !== 'missing is valid') return real
    const read = async (tags: readonly Tag[]) =>
      (await real.read(tags)).map((one) => one ?? { hard: 0, soft: 0, raised: 0 })
    return { read, ensure: real.ensure.bind(real), raise: real.raise.bind(real) }
  }
  return {
    run: async (jobs) => {
      const fill = redis.pipeline()
      jobs.forEach(({ state }, i) => {
        const { v, t, c } = names(i)
        fill.del(v).del(t).del(c)
        const bytes = toBytes(state.v)
        if (bytes) fill.set(v, bytes, 'PX', LONG)
        if (state.t !== null) fill.set(t, `${state.t} ${state.t} 0`, 'PX', 48 * LONG)
        if (state.c !== null) fill.set(c, String(state.c))
      })
      await fill.exec()
      const results = await Promise.all(
        jobs.map(({ move }, i) => {
          const key = names(i)
          return move.run({
            store,
            key: `slot ${i}`,
            epochs: (epoch) => {
              entryEpoch = epoch === undefined ? '' : String(epoch)
              return new Epochs(open(i), { trusted: () => false, now: () => 0 })
            },
            del: (what) => redis.del(key[what]),
          })
        }),
      )
      const look = redis.pipeline()
      jobs.forEach((_, i) => {
        const { v, t, c } = names(i)
        look.getBuffer(v).get(t).get(c)
      })
      const held = ((await look.exec()) as [Error | null, unknown][]).map(([, reply]) => reply as Reply)
      return jobs.map(({ move }, i) => {
        const next = move.after(results[i])
        if (next === undefined) return undefined
        const [v, t, c] = held.slice(3 * i, 3 * i + 3)
        return {
          ...next,
          v: fromBytes((v ?? null) as Buffer | null),
          t: t ? Number(String(t).split(' ')[0]) : null,
          c: c ? Number(String(c)) : null,
        }
      })
    },
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------

/** What is broken in the scripts of one key, as in the models. */
const LEASE_MUTANTS = {
  'lease of an absent key beside it': [
    [
      'lease',
      "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])",
      "redis.call('SET', string.gsub(KEYS[1], ':v:', ':l:'), ARGV[1], 'PX', ARGV[2])",
    ],
    [
      'fill',
      "if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end",
      "if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then return 0 end redis.call('DEL', KEYS[2])",
    ],
  ],
  'refresh that does not look at the entry again': [['fill', 'if id ~= ARGV[2] then return 0 end', '']],
  'refresh that does not look at its lease': [
    ['fill', "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end", ''],
  ],
  'commit that leaves the entry': [['commit', "else redis.call('DEL', KEYS[1]) end", 'end']],
  'store that does not look at its placeholder': [
    ['fill', "if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end", ''],
  ],
  'commit that does not look at its ticket': [['commit', "redis.pcall('GET', KEYS[1]) == ARGV[1]", 'true']],
} as const satisfies Record<string, readonly Edit[]>

/** The name of a broken variant. */
export type LeaseMutant = keyof typeof LEASE_MUTANTS

const redis = process.env.REDIS_PORT ? new Redis({ port: Number(process.env.REDIS_PORT) }) : undefined
const namespace = Namespace.acquire(redis, {}, 'model', {
  log: { warn: () => {}, info: () => {} },
  deadline: 5_000,
  heartbeat: 60_000,
  replayFor: 0,
  outboxLimit: 1e6,
})

async function ready(): Promise<{ redis: Redis; gate: Gate }> {
  await namespace.settled(5_000)
  if (!redis || !namespace.gate) throw new Error('REDIS_PORT names no server')
  return { redis, gate: namespace.gate }
}

const methods = {
  leaseInMemory: (size: LeaseSize, limit: number): Promise<Checked> => explore(leaseModel(size), memorySlots(), limit),

  leaseOnRedis: async (size: LeaseSize, limit: number, mutant?: LeaseMutant): Promise<Checked> => {
    const { redis, gate } = await ready()
    const broken = mutant && Object.assign(Object.create(gate), edited(gate, LEASE_MUTANTS[mutant]))
    return explore(leaseModel(size), redisSlots(redis, namespace, (broken as Gate | undefined) ?? gate), limit)
  },

  tagsOnRedis: async (size: TagSize, limit: number): Promise<Checked> => {
    const { redis, gate } = await ready()
    return explore(tagModel(size), taggedSlots(redis, namespace, gate, size), limit)
  },
}

/** What the test calls. */
export type Methods = typeof methods

serveWorker(methods)
